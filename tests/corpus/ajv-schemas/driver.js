'use strict';
// Leaks JavaScript heap and code: the schema that a request brings is compiled by one Ajv, which keeps every schema
// object that it has seen, and its scope all functions. Fixed: what has been compiled is found by its text. ajv 8.17.1.
// Source: ajv-validator/ajv#1413, openclaw/lobster#96, mended by #98. Right kind: js-heap.

const Ajv = require('ajv');
const { leaky, pace, random } = require('../harness');

const ajv = new Ajv({ allErrors: true });
const compiled = new Map();

function schema(tool) {
  const properties = { [`tool${tool}`]: { type: 'string', maxLength: 80 }, count: { type: 'integer', minimum: tool } };
  return { type: 'object', properties, required: ['count'], additionalProperties: false };
}

function validator(wanted) {
  if (leaky) return ajv.compile(wanted);
  const text = JSON.stringify(wanted);
  if (!compiled.has(text)) compiled.set(text, ajv.compile(wanted));
  return compiled.get(text);
}

pace(30, () => validator(schema(random(40)))({ count: random(80) }));
pace(100, () => JSON.parse(JSON.stringify(new Array(100).fill('traffic'))));

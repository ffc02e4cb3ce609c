'use strict';
// Healthy: for half a minute modules are loaded when they are first needed, templates are compiled, functions are
// optimised; then there is traffic and nothing else.

const { readdirSync } = require('fs');
const { dirname } = require('path');
const { pace, random } = require('../harness');

const lodash = dirname(require.resolve('lodash'));
const lazy = readdirSync(lodash).filter((file) => /^[a-z]\w+\.js$/.test(file));
const templates = [];
let handlebars;

setTimeout(() => (handlebars = require('handlebars')), 6000);
setTimeout(() => require('jsdom'), 12000);
setTimeout(() => require('ajv'), 20000);

function compile() {
  const template = handlebars.compile(`{{#each a}}<li class="x${templates.length}">{{this}} {{../b}}</li>{{/each}}`);
  template({ a: [1, 2], b: 3 });
  templates.push(template);
}

pace(20, () => {
  if (lazy.length > 0) require(`lodash/${lazy.pop()}`);
  if (handlebars && templates.length < 500) compile();
});
pace(400, () => JSON.parse(JSON.stringify({ rows: new Array(60).fill({ b: random(1000) }) })));

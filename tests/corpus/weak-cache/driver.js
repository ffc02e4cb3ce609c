'use strict';
// Healthy: documents are cached by weak references for as long as somebody else holds them; the key goes when the
// document has been collected. What it grows to is for the collector to say.

const { pace, random } = require('../harness');

const FEW = 200;
const documents = new Map();
const collected = new FinalizationRegistry((name) => {
  const left = documents.get(name);
  if (left && left.deref() === undefined) documents.delete(name);
});
const open = [];

function load(name) {
  const document = { name, paragraphs: Array.from({ length: 100 }, (_, n) => `${name}: paragraph ${n}`) };
  documents.set(name, new WeakRef(document));
  collected.register(document, name);
  return document;
}

function read(name) {
  const cached = documents.get(name);
  return (cached && cached.deref()) || load(name);
}

pace(150, () => {
  open.push(read(`document-${random(5000)}`));
  if (open.length > FEW) open.shift();
});

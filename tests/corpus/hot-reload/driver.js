'use strict';
// Leaks JavaScript heap: a module is taken out of the cache and loaded anew, and stays in its parent's list of
// children. Fixed: it is taken out of that list too.

const { mkdtempSync, writeFileSync } = require('fs');
const { tmpdir } = require('os');
const { join } = require('path');
const { leaky, pace } = require('../harness');

const file = join(mkdtempSync(join(tmpdir(), 'memwatch-reload-')), 'routes.js');
writeFileSync(file, 'exports.routes = Array.from({ length: 900 }, (_, n) => ({ path: "/" + n, hits: [n] }));\n');

function reload() {
  require(file);
  const loaded = require.cache[file];
  delete require.cache[file];
  if (!leaky) module.children.splice(module.children.indexOf(loaded), 1);
}

pace(6, reload);
pace(300, () => JSON.parse(JSON.stringify(new Array(50).fill({ route: '/' }))));

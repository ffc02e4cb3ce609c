'use strict';
// Leaks handles: each editor that is opened watches a file, and goes on watching when it is closed. Descriptors stay as
// they are: one serves all watches. Fixed: the watch ends with the editor.

const { watch, mkdtempSync } = require('fs');
const { tmpdir } = require('os');
const { join } = require('path');
const { leaky, pace } = require('../harness');

const directory = mkdtempSync(join(tmpdir(), 'memwatch-watch-'));

pace(500, () => {
  const watcher = watch(directory, { persistent: false }, () => {});
  if (!leaky) setTimeout(() => watcher.close(), 100);
});
pace(100, () => JSON.parse(JSON.stringify(new Array(200).fill('traffic'))));

'use strict';
// Leaks JavaScript heap until V8 has had enough, at 96 MB: what a forecast is compared with.

const { pace } = require('../harness');

const kept = [];

pace(600, () => kept.push({ at: Date.now(), cells: new Array(100).fill(kept.length) }));
pace(100, () => JSON.parse(JSON.stringify(new Array(300).fill('traffic'))));

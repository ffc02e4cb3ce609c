'use strict';
// Leaks native memory until the kernel kills it, at 128 MB of its cgroup: what a forecast is compared with.

const { addon, pace } = require('../harness');
const { take } = addon('blocks');

pace(300, () => take(2000));
pace(100, () => JSON.parse(JSON.stringify(new Array(100).fill('traffic'))));

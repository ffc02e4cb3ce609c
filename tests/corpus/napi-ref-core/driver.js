'use strict';
// Leaks native memory: Node 10.15.3 does not free what `napi_delete_reference` deletes; 10.15.2 does. Node 10 is below
// the supported range: its collections are not watched, so that only what is read from outside applies.
// Source: nodejs/node#26667, caused by #24494. Right kinds: native, handles.

const { addon, pace } = require('../harness');
const { make } = addon('reference');

const longLived = {};

pace(20000, () => make(longLived));

'use strict';
// Waits, as most services of a host do most of the time.

require('./common.js').serve(() => '');

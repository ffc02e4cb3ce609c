'use strict';
// Does nothing.

require('./common.js').serve(() => '');

'use strict';
// Healthy: the number of sessions follows the time of day; a day is 40 s here, and half of it looks like a leak.

const { pace, random } = require('../harness');

const began = Date.now();
const sessions = [];

function wanted() {
  const days = (Date.now() - began) / 40000;
  return 15000 + 13000 * Math.sin(2 * Math.PI * days);
}

pace(50, () => {
  for (let n = 0; n < 200 && sessions.length < wanted(); n++) {
    sessions.push({ id: random(1e9), data: new Array(60).fill(1.5) });
  }
  for (let n = 0; n < 200 && sessions.length > wanted(); n++) sessions.shift();
});
pace(300, () => JSON.parse(JSON.stringify(sessions[random(sessions.length || 1)] || {})));

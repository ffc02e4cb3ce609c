'use strict';
// Healthy: at 40 and at 80 s twice as many users come as there were; each costs what the others do.

const { pace } = require('../harness');

const users = [];
let wanted = 2000;

for (const second of [40, 80]) setTimeout(() => (wanted *= 2), second * 1000);

pace(50, () => {
  for (let n = 0; n < 100 && users.length < wanted; n++) users.push({ n, cart: new Array(150).fill(n) });
});
pace(500, () => {
  const user = users[Date.now() % users.length];
  if (user) user.cart = user.cart.map((n) => n + 1);
});

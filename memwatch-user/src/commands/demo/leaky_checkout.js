'use strict';
// A web shop's back end without the web: each checkout opens a session, and nothing ever lets one go.
process.title = 'leaky-checkout';
// Whoever started us holds the other end: if they are gone, however they went, so are we.
process.stdin.on('end', () => process.exit(0)).resume();

const sessions = new Map(); // the leak: one entry a checkout, never deleted
const receipts = new Array(2500); // no leak: the latest ones, each replaced in its turn
let served = 0;

function openSession(id) {
  const basket = [];
  for (let n = 0; n < 12; n++) basket.push({ sku: 'sku-' + id + '-' + n, quantity: 1 + (n % 3), price: 9.99 });
  return { id, user: 'user-' + (id % 5000), opened: Date.now(), basket };
}

function renderPage(session) {
  const rows = session.basket.map((line) => ({ text: line.sku + ' x ' + line.quantity, total: line.quantity * line.price }));
  return JSON.stringify({ user: session.user, rows });
}

function checkout() {
  const id = ++served;
  const session = openSession(id);
  sessions.set(id, session);
  const receipt = Buffer.allocUnsafe(24 * 1024);
  for (let copy = 0; copy < 2; copy++) receipt.write(renderPage(session), copy * 4096);
  receipts[id % receipts.length] = receipt;
}

// About two thousand checkouts a second.
setInterval(() => { for (let n = 0; n < 20; n++) checkout(); }, 10);
process.stdout.write('ready\n');

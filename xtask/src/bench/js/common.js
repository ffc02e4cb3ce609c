'use strict';
// Every program of the bench says `ready`, answers each line of standard input with one line, and ends with its input.

exports.serve = function serve(answer, hello = '') {
  let text = '';
  process.stdin.on('data', (chunk) => {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop();
    for (const line of lines) console.log('done ' + answer(line));
  });
  process.stdin.on('end', () => process.exit(0));
  console.log('ready ' + hello);
};

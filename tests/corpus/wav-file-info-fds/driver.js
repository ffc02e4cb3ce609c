'use strict';
// Leaks file descriptors: files are opened and never closed. Leaky wav-file-info 0.0.8, fixed 0.0.10.
// Source: rackfx/Node-WAV-File-Info#18. Right kind: fds.

const { mkdtempSync, writeFileSync } = require('fs');
const { tmpdir } = require('os');
const { join } = require('path');
const { pace, variant } = require('../harness');
const wav = require(`wav-${variant}`);

const SAMPLES = 800;
const file = join(mkdtempSync(join(tmpdir(), 'memwatch-wav-')), 'a.wav');

/** Eight bits, one channel, 8 kHz. */
function sound() {
  const bytes = Buffer.alloc(44 + SAMPLES);
  bytes.write('RIFF');
  bytes.writeUInt32LE(36 + SAMPLES, 4);
  bytes.write('WAVEfmt ', 8);
  [16, 0x00010001, 8000, 8000, 0x00080001].forEach((word, n) => bytes.writeUInt32LE(word, 16 + 4 * n));
  bytes.write('data', 36);
  bytes.writeUInt32LE(SAMPLES, 40);
  return bytes;
}

writeFileSync(file, sound());
pace(8, () => wav.infoByFilename(file, () => {}));

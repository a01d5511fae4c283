// Files of people: how editors and shells of any system save them, and who else may read them.

import { expect, test } from 'vitest';
import { fileText, openToOthers } from '#config/file-text.ts';

const JSON_TEXT = '{"größe": "✉"}';

test.for<[string, Buffer]>([
  ['UTF-8', Buffer.from(JSON_TEXT)],
  ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${JSON_TEXT}`)],
  ['UTF-16, little endian (PowerShell)', Buffer.from(`\ufeff${JSON_TEXT}`, 'utf16le')],
  ['UTF-16, big endian', Buffer.from(`\ufeff${JSON_TEXT}`, 'utf16le').swap16()],
])('%s is read', ([, bytes]) => {
  expect(fileText(bytes)).toBe(JSON_TEXT);
});

test('a file that others may read is named, with its remedy', () => {
  expect(openToOthers('s.json', 0o100600)).toBeNull();
  expect(openToOthers('s.json', 0o100400)).toBeNull();
  expect(openToOthers('s.json', 0o100640, true)).toBeNull();
  expect(openToOthers('s.json', 0o100644, true)).not.toBeNull();
  expect(openToOthers('s.json', 0o100660, true)).not.toBeNull();
  for (const mode of [0o100644, 0o100640, 0o100604, 0o100620])
    expect(openToOthers('s.json', mode)).toMatch(/^s\.json is open to others .* \(mode 6\d\d\): chmod 600 s\.json$/);
});

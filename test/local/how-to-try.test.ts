// What `npm start` tells a person to type reaches the instance that says it, whichever folder and port it has.

import { expect, it } from 'vitest';
import { howToTry } from '#local/how-to-try.ts';

it.each([
  ['.everpost', 'npm run -s everpost -- trace shows'],
  ['/tmp/other', 'npm run -s everpost -- trace --data /tmp/other shows'],
  ["my folder's", "npm run -s everpost -- trace --data 'my folder'\\''s' shows"],
])('with the data folder %s', (data, command) => {
  const said = howToTry(data, 2625, 'example.com');
  expect(said).toContain(command);
  expect(said).toContain('smtp://127.0.0.1:2625 ');
  expect(said).toContain(`${data}/mailboxes/you@src.example/new`);
});

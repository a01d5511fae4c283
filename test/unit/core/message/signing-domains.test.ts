// Which domains a message's DKIM signatures name, and when that cannot be said.

import { expect, it } from 'vitest';
import { headerSection } from '#core/message/header.ts';
import { signingDomains } from '#core/message/signing-domains.ts';

function domainsOf(message: string) {
  const bytes = Buffer.from(message, 'latin1');
  return signingDomains(bytes, headerSection(bytes));
}
const signed = (tags: string) => `DKIM-Signature: ${tags}\r\n`;
const ONE = signed('v=1; a=rsa-sha256; d=example.com; s=a;\r\n\th=from:to:dkim-signature:\r\n from; b=abc=');

it.each([
  ['one', ONE, ['example.com']],
  ['two', ONE + signed('v=1; d=Mail.Example.NET; b=x'), ['example.com', 'mail.example.net']],
  ['one folded within a tag', signed('v=1; d=\r\n example.com; b=x'), ['example.com']],
  ['none', 'X-SES-DKIM-SIGNATURE: d=example.com;\r\nX: y\r\n', null],
  ['one without a domain', signed('v=1; s=a; b=x'), null],
  ['one with two domains', signed('v=1; d=example.com; d=src.example; b=x'), null],
  ['one with two domains of which one is in capitals', signed('v=1; d=example.com; D=src.example; b=x'), null],
  ['one whose domain is none', signed('v=1; d=exa mple.com; b=x'), null],
  ['one that leaves out a part of the body', signed('v=1; d=example.com; l=10; b=x'), null],
  ['a good one and one that cannot be read', ONE + signed('v=1; b=x'), null],
  ['one behind a bare CR', `${ONE}X: a\rDKIM-Signature: v=1; d=src.example; b=x\r\n`, null],
  ['one with a bare CR in it', signed('v=1; d=example.com\r; d=src.example; b=x'), null],
  [
    'one behind a line that is no field',
    `${ONE}Hello world\r\n${signed('v=1; d=src.example; b=x')}`,
    ['example.com', 'src.example'],
  ],
  ['more than are read', ONE.repeat(21), null],
])('%s', (_, header, wanted) => {
  expect(domainsOf(`${header}From: ann@example.com\r\n\r\nbody`)).toEqual(wanted);
});

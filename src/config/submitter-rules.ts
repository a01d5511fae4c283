// Checks what one key of a submitter cannot know alone: each submitter is identified by something, an address belongs
// to one submitter, and what old devices may do depends on their addresses. check.ts calls it. It uses no network.

import { holds, readSourceNetwork } from '#core/submission/source-network.ts';
import { type Given, type Mistakes, membersOf } from './given.ts';
import { join } from './words.ts';

/** On the file as it was read: a missing login is reported also where another key is wrong. */
export function checkSubmitters({ submitters }: Given, mistake: Mistakes): void {
  const networks: { readonly at: string; readonly submitter: string; readonly text: string }[] = [];
  for (const [submitter, each] of membersOf(submitters) ?? []) {
    const keys = membersOf(each);
    if (keys === null) continue;
    const at = join('submitters', submitter);
    const from: unknown = keys.get('from');
    if (from === undefined) neededWithoutFrom(keys, at, mistake);
    if (!Array.isArray(from)) continue;
    for (const [index, text] of from.entries())
      if (typeof text === 'string') networks.push({ at: join(join(at, 'from'), index), submitter, text });
  }
  noSharedAddress(networks, mistake);
}

const secretWords = "the name of a secret in Secrets Manager such as 'everpost/exchange'";

function neededWithoutFrom(keys: ReadonlyMap<string, unknown>, at: string, mistake: Mistakes): void {
  if (keys.get('secret') === undefined) mistake(join(at, 'secret'), 'it is missing', secretWords);
  for (const key of ['oldTls', 'withoutTls'])
    if (keys.get(key) === true)
      mistake(
        join(at, key),
        'TLS comes before the login, so that only the address tells whose connection it is',
        `from: ['192.168.10.0/24'] beside it, or no ${key}`,
      );
}

function noSharedAddress(
  networks: readonly { readonly at: string; readonly submitter: string; readonly text: string }[],
  mistake: Mistakes,
): void {
  const read = networks.flatMap((each) => {
    const reading = readSourceNetwork(each.text);
    return reading.kind === 'network' ? [{ ...each, network: reading.network }] : [];
  });
  for (const [index, { at, submitter, text, network }] of read.entries()) {
    const other = read
      .slice(0, index)
      .find(
        (before) =>
          before.submitter !== submitter && (holds(before.network, network) || holds(network, before.network)),
      );
    if (other !== undefined)
      mistake(
        at,
        `${text} and ${other.text} of ${other.submitter} have addresses in common`,
        'networks that no other submitter has',
      );
  }
}

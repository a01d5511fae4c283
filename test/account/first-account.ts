// `npm run test:account`: tries what could not be tried without an AWS account. It deploys a stack of its own name into
// a throw-away account, asks each contract one by one, says pass, fail or not tried, and takes the stack away again.
// Exit 0: nothing failed. 1: a check failed. 2: wrong usage. 78: it could not begin.

import { parseArgs } from 'node:util';
import { linesOf, notTried, type Tried, tryOne } from './account-check.ts';
import { accountChecks, beyond } from './account-checks.ts';
import { clean, openAws, placeOfStack, Refused } from './aws-place.ts';
import { type Opened, openLocal } from './local-place.ts';

const USAGE = `npm run test:account -- --domain NAME [options]
  --domain NAME      a domain, or a sub-domain of one, that SES has verified in this region (everpost dns says how)
                     and whose MX record names inbound-smtp.REGION.amazonaws.com; it must have no mail of its own
  --sub-domain NAME  below it, with a verified identity of its own: for most-specific-identity
  --only NAME        this check alone; may be repeated
  --keep             leave the stack for another run
  --existing         use the stack that an earlier run has kept
  --clean            take away what an earlier run has left, and nothing else
  --local            on the local runtime, which is how the script itself is tested
  --json             one JSON object
Use an account with nothing else in it: the run makes its rule set the active one, sends to SES's mailbox simulator, and
deletes bucket, ledger and queues at the end. Expect half an hour, and less than a dollar.`;

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ domain: { type: 'string' }, 'sub-domain': { type: 'string' }, only: { type: 'string', multiple: true } },
      ...{ keep: { type: 'boolean' }, existing: { type: 'boolean' }, clean: { type: 'boolean' } },
      ...{ local: { type: 'boolean' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
    },
  });
  const { domain = values.local ? 'example.org' : undefined, only = [] } = values;
  const unknown = only.filter((name) => !accountChecks.some((check) => check.name === name));
  if (values.help || domain === undefined || unknown.length > 0) {
    process.stderr.write(`${unknown.length > 0 ? `no check is called ${unknown.join(', ')}\n` : ''}${USAGE}\n`);
    return values.help ? 0 : 2;
  }
  const subDomain = values['sub-domain'] ?? null;
  if (values.clean) {
    await clean(await placeOfStack(domain, subDomain));
    return 0;
  }
  const kept = async (): Promise<Opened> => ({
    place: await placeOfStack(domain, subDomain),
    close: () => Promise.resolve(),
  });
  const opened = values.local
    ? await openLocal(domain)
    : await (values.existing ? kept() : openAws(domain, subDomain, values.keep ?? false));
  const tried: Tried[] = [];
  try {
    const wanted = accountChecks.filter(({ name }) => only.length === 0 || only.includes(name));
    for (const check of wanted) {
      const one = await tryOne(check, opened.place);
      tried.push(one);
      if (!values.json) process.stdout.write(`${linesOf([one])}\n`);
    }
    if (only.length === 0) {
      const told = beyond.map((each) => ({ ...each, ...notTried(each.contract), ms: 0 }));
      tried.push(...told);
      if (!values.json) process.stdout.write(told.map(({ name, what }) => `not tried  ${name}: ${what}\n`).join(''));
    }
  } finally {
    await opened.close();
  }
  const count = (state: string) => tried.filter((each) => each.state === state).length;
  const summary = { pass: count('pass'), fail: count('fail'), notTried: count('not tried') };
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ ...summary, checks: tried }, null, 1)}\n`
      : `${summary.pass} pass, ${summary.fail} fail, ${summary.notTried} not tried\n`,
  );
  return summary.fail > 0 ? 1 : 0;
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    const usage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
    process.stderr.write(`test:account: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = usage ? 2 : error instanceof Refused ? 78 : 1;
  }
}

// Every check of the first account, in the order in which they run, and what no trial shows. first-account.ts runs
// them; docs/first-account.md lists them.

import type { AccountCheck } from './account-check.ts';
import { mailFacts } from './mail-facts.ts';
import { queueFacts } from './queue-facts.ts';
import { resourceFacts } from './resource-facts.ts';

export const accountChecks: readonly AccountCheck[] = [...resourceFacts, ...mailFacts, ...queueFacts];

/** What no run of half an hour can show, or what nothing in an account shows. */
export const beyond = (
  [
    ['publish-expired', 'SES gives up a refused put after up to 36 hours'],
    ['retention-of-14-days', 'a queue forgets after 14 days'],
    ['restore-of-the-ledger', 'a restore takes longer than the trial: docs/runbook has the way by hand'],
    ['limit-of-120000-in-flight', 'it would need as many messages'],
    ['failed-first-deploy', 'it would need a deploy that fails: interrupt one by hand, then repeat the command'],
    ['foreign-rule-set', 'the account has none: make one active by hand, then ask everpost doctor'],
    ['raised-lambda-quota', 'a new account stays a new account for hours'],
    ['port-25', 'AWS lifts its block on request'],
  ] as const
).map(([name, contract]) => ({ name, contract, source: 'docs/first-account.md' }));

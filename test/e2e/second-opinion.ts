// A second opinion on every decision that the emulated IAM made: the same policies, principal, action, resource and
// context are given to @cloud-copilot/iam-simulate, which is not ours. Called by the tests that run a stack. It
// compares permitted calls and refused ones alike, and never decides anything for the run.

import { runSimulation } from '@cloud-copilot/iam-simulate';
import type { Iam, Judged } from '#aws-local/iam/iam.ts';
import { callerArn } from '#aws-local/iam/iam.ts';

const account = '000000000000';

/** Listens to a run; each kind of decision is kept once. */
export function hearing(): { readonly listen: (iam: Iam) => void; readonly judged: () => readonly Judged[] } {
  const heard = new Map<string, Judged>();
  const listen = (iam: Iam) =>
    iam.observe((judged) => {
      const { principal, access, context } = judged;
      heard.set(JSON.stringify([principal, access.action, access.resource, context]), judged);
    });
  return { listen, judged: () => [...heard.values()] };
}

/** One line for each decision that the other implementation makes otherwise, or cannot make. */
export async function disagreements(judged: readonly Judged[]): Promise<readonly string[]> {
  const said = await Promise.all(judged.map(async (one) => [one, await decided(one)] as const));
  return said.flatMap(([one, other]) =>
    other === (one.allowed ? 'Allowed' : 'Denied') ? [] : [`${worded(one)}: ${other}`],
  );
}

async function decided(judged: Judged): Promise<string> {
  const { principal, access, context, identityPolicies, resourcePolicies } = judged;
  const simulated = await runSimulation(
    {
      request: {
        principal: principal.kind === 'service' ? principal.name : callerArn(principal, account),
        action: access.action,
        resource: { resource: access.resource, accountId: account },
        contextVariables: Object.fromEntries(
          Object.entries(context).map(([key, value]) => [key, typeof value === 'string' ? value : [...value]]),
        ),
      },
      identityPolicies: identityPolicies.map((policy, i) => ({ name: `policy${i}`, policy })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(resourcePolicies.length === 0 ? {} : { resourcePolicy: joined(resourcePolicies) }),
    },
    {},
  );
  if (simulated.resultType === 'error') return JSON.stringify(simulated.errors);
  return simulated.overallResult === 'Allowed' ? 'Allowed' : 'Denied';
}

/** The statements of all policies of one resource. */
function joined(policies: readonly unknown[]): object {
  const statements = policies.flatMap((policy) => (policy as { Statement: unknown }).Statement);
  return { Version: '2012-10-17', Statement: statements };
}

function worded({ principal, access, allowed }: Judged): string {
  return `${allowed ? 'allowed' : 'denied'} ${callerArn(principal, account)} ${access.action} on ${access.resource}`;
}

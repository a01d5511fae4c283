// The function of CloudFormation's one custom resource. It makes our SES receipt rule set the active one. An account
// has one active rule set in a region, so activating ours would take another application's mail away: it refuses,
// unless the deploy says to replace. It answers in every case, because CloudFormation otherwise waits until its
// timeout. It never deactivates a foreign rule set.

import { DescribeActiveReceiptRuleSetCommand, SESClient, SetActiveReceiptRuleSetCommand } from '@aws-sdk/client-ses';

/** A custom resource's request, as far as it is used (AWS CloudFormation: custom resource request objects). */
export type ActivationRequest = {
  readonly RequestType: 'Create' | 'Update' | 'Delete';
  readonly ResponseURL: string;
  readonly StackId: string;
  readonly RequestId: string;
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId?: string;
  readonly ResourceProperties: { readonly RuleSetName: string; readonly Replace?: string };
};

/** The calls of SES that are used: one set is active, or none. */
export type RuleSets = {
  active(): Promise<string | null>;
  activate(ruleSetName: string | null): Promise<void>;
};

export async function handler(request: ActivationRequest): Promise<void> {
  await answer(request, sesRuleSets());
}

/** Handles a request and answers it. CloudFormation may send a request twice: the second changes nothing. */
export async function answer(request: ActivationRequest, ruleSets: RuleSets): Promise<void> {
  const { RuleSetName } = request.ResourceProperties;
  // One physical resource for each rule set: when its name changes, CloudFormation deletes the old one afterwards.
  const physical = request.PhysicalResourceId ?? `active-rule-set/${RuleSetName}`;
  let outcome: Outcome;
  try {
    outcome = request.RequestType === 'Delete' ? await standDown(request, ruleSets) : await takeOver(request, ruleSets);
  } catch (error) {
    outcome = { refusal: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
  const { refusal } = outcome;
  console.log(
    JSON.stringify({ event: 'activate.answered', request: request.RequestType, ruleSetName: RuleSetName, refusal }),
  );
  const told = respond(request, {
    Status: refusal === null ? 'SUCCESS' : 'FAILED',
    Reason: (refusal ?? 'done').slice(0, 1000), // CloudFormation: 4 KB for the whole answer
    PhysicalResourceId: request.RequestType === 'Delete' ? physical : `active-rule-set/${RuleSetName}`,
  });
  try {
    await told;
  } catch (error) {
    // CloudFormation knows of no activation, and will roll the creation back: no mail may come in until then. Lambda
    // calls again, and that call activates again.
    if (request.RequestType === 'Create' && outcome.before !== undefined) await ruleSets.activate(outcome.before);
    throw error;
  }
}

/** `before`: the set that was active, where this call has changed that. */
type Outcome = { readonly refusal: string | null; readonly before?: string | null };

async function takeOver(request: ActivationRequest, ruleSets: RuleSets): Promise<Outcome> {
  const { RuleSetName, Replace } = request.ResourceProperties;
  const active = await ruleSets.active();
  if (active === RuleSetName) return { refusal: null };
  // On a change of our own name the set that is active is the one that we named before: ours to replace.
  const ours = request.PhysicalResourceId === `active-rule-set/${active}`;
  if (active !== null && !ours && Replace !== 'yes') {
    const refusal =
      `The SES receipt rule set ${JSON.stringify(active)} is active, and activating ${JSON.stringify(RuleSetName)} would stop its mail. ` +
      'Deactivate it, or deploy with -c replaceRuleSet=yes.';
    return { refusal };
  }
  try {
    await ruleSets.activate(RuleSetName);
  } catch (error) {
    if ((await ruleSets.active()) !== RuleSetName) throw error; // else only the answer was lost
  }
  return { refusal: null, before: active };
}

async function standDown(request: ActivationRequest, ruleSets: RuleSets): Promise<Outcome> {
  // A create that was refused is deleted too: then a foreign set is active, and stays so.
  if ((await ruleSets.active()) === request.ResourceProperties.RuleSetName) await ruleSets.activate(null);
  return { refusal: null };
}

function sesRuleSets(): RuleSets {
  const ses = new SESClient({ maxAttempts: 5 }); // SES allows one such call a second
  return {
    async active() {
      const { Metadata } = await ses.send(new DescribeActiveReceiptRuleSetCommand({}));
      return Metadata?.Name ?? null;
    },
    async activate(ruleSetName) {
      await ses.send(new SetActiveReceiptRuleSetCommand(ruleSetName === null ? {} : { RuleSetName: ruleSetName }));
    },
  };
}

type Answer = { readonly Status: 'SUCCESS' | 'FAILED'; readonly Reason: string; readonly PhysicalResourceId: string };

async function respond(request: ActivationRequest, answer: Answer): Promise<void> {
  const { ResponseURL, StackId, RequestId, LogicalResourceId } = request;
  // The URL is presigned without a content type; one that is sent breaks the signature.
  const body = new TextEncoder().encode(JSON.stringify({ ...answer, StackId, RequestId, LogicalResourceId }));
  const response = await fetch(ResponseURL, { method: 'PUT', body, headers: { 'content-type': '' } });
  if (!response.ok) throw new Error(`CloudFormation's response address answered ${response.status}`);
}

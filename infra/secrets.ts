// The secrets that the stack makes for itself: random values that nobody has to choose. Called by stack.ts and
// stages.ts. They outlive the stack, because mail that they signed is still under way. To rotate one, put a new value:
// the previous value stays valid.

import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { Settings } from '#config/settings.ts';
import { usesSrs } from '#core/routing/return-path.ts';
import { may, outlivesStack } from './stage.ts';

export type OwnSecret = {
  readonly arn: string;
  readonly may: readonly PolicyStatement[];
};

/** Signs our passes, notices and tokens: core/message/mark-key.ts. */
export function markSecret(scope: Construct, settings: Settings): OwnSecret {
  return ownSecret(scope, 'Marks', `Signs the marks of ${settings.stackName}; put a new value to rotate it`);
}

/** Signs the addresses of SRS; null where no action uses it. */
export function srsSecret(scope: Construct, settings: Settings): OwnSecret | null {
  if (!usesSrs(settings)) return null;
  return ownSecret(scope, 'Srs', `Signs the SRS addresses of ${settings.stackName}; put a new value to rotate it`);
}

function ownSecret(scope: Construct, id: string, description: string): OwnSecret {
  const { secretArn } = new Secret(new Construct(scope, id), 'Secret', {
    description,
    generateSecretString: { passwordLength: 64, excludePunctuation: true },
    removalPolicy: outlivesStack,
  });
  return { arn: secretArn, may: [may(['secretsmanager:GetSecretValue'], secretArn)] };
}

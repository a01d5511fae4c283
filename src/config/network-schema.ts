// The schema of the section `network`: the VPC in which relay runs. schema.ts includes it. It checks only the form of
// ids: it calls no AWS account, so that `npm run synth` needs none.

import { lambdaSecurityGroupsMax, lambdaSubnetsMax, networkZonesMax } from '#core/limits.ts';
import { choice, list, object, text, told, wholeNumber } from './fields.ts';
import type { Network } from './settings.ts';
import { parseResourceId } from './values.ts';
import { show } from './words.ts';

const EXAMPLE_ID = '0123456789abcdef0';

/** An id of EC2, such as a subnet's. */
function resourceId(prefix: string, noun: string) {
  return text(
    (value) => parseResourceId(prefix, value),
    `id of a ${noun}`,
    `an id such as '${prefix}-${EXAMPLE_ID}', which the VPC console shows`,
    { pattern: `^${prefix}-(?:[0-9a-f]{8}|[0-9a-f]{17})$`, values: `the id of a ${noun}` },
  );
}

/** A list of such ids, each once, and no more than Lambda takes (VpcConfig of its API). */
function resourceIds(prefix: string, noun: string, most: number) {
  const example = (given: string): string =>
    parseResourceId(prefix, given) === null ? `['${prefix}-${EXAMPLE_ID}']` : `['${given}']`;
  return list(resourceId(prefix, noun), noun, example).superRefine((ids, context) => {
    const message = `there are more than the ${most} that Lambda takes; write at most ${most}`;
    if (ids.length > most) context.addIssue({ code: 'custom', message });
    ids.forEach((id, index) => {
      const first = ids.indexOf(id);
      if (first === index) return;
      const message = `${show(id)} is named already at place ${first}; write each ${noun} once`;
      context.addIssue({ code: 'custom', path: [index], message, input: id });
    });
  });
}

export const VPC_EXAMPLE = `{ id: 'vpc-${EXAMPLE_ID}', subnets: ['subnet-${EXAMPLE_ID}'] }`;
const vpc = object(
  {
    id: told(resourceId('vpc', 'VPC'), { description: 'The VPC. It must be in the region of the stack.' }),
    subnets: told(resourceIds('subnet', 'subnet', lambdaSubnetsMax), {
      description:
        'Private subnets of it, at best in several zones. Each must lead to DynamoDB, S3, SQS, Secrets Manager and ' +
        'SES, and to the next hops ([what it must lead to](network.md#your-own-vpc)).',
      values: `a list of up to ${lambdaSubnetsMax} ids of subnets`,
    }),
    securityGroups: told(
      resourceIds('sg', 'security group', lambdaSecurityGroupsMax)
        .optional()
        .transform((given) => given ?? null),
      {
        description: 'Security groups for relay. They must let connections out.',
        values: `a list of up to ${lambdaSecurityGroupsMax} ids of security groups`,
        fallback: 'one that the stack makes, which lets everything out and nothing in',
      },
    ),
  },
  VPC_EXAMPLE,
);

const create = object(
  {
    zones: told(wholeNumber(1, networkZonesMax).prefault(1), {
      description:
        'Availability zones, each with a NAT gateway and an Elastic IP address of its own. Where a zone fails, relay ' +
        'goes on in the others. Each costs the same again ([price](network.md#what-it-costs)).',
    }),
  },
  '{ zones: 1 }',
);

const CHOICE = `{ create: { zones: 1 } }, or { vpc: ${VPC_EXAMPLE} }`;

export const network = object(
  {
    vpc: told(vpc.optional(), { description: 'A VPC of yours.', values: '`{ id, subnets, securityGroups? }`' }),
    create: told(create.optional(), {
      description:
        'The stack makes a VPC: private subnets, and for each zone a NAT gateway with an address that stays the ' +
        'same. The addresses are outputs of the stack. `vpc` or `create`, one of the two.',
      values: '`{ zones? }`',
    }),
    port25: told(
      choice(
        {
          private: 'AWS still blocks port 25 to public addresses, as it does by default',
          unblocked: 'AWS has lifted the block for this account and region',
        },
        { public: 'unblocked', open: 'unblocked', lifted: 'unblocked', allowed: 'unblocked', blocked: 'private' },
      ).prefault('private'),
      {
        description:
          'To which addresses port 25 is open. With `private` a next hop on port 25 whose name resolves to a public ' +
          'address is reported at once ([how to ask AWS](network.md#port-25)).',
      },
    ),
  },
  '{ create: { zones: 1 } }',
  {
    elsewhere: {
      zones: 'create: { zones: 1 }',
      ...Object.fromEntries(
        ['id', 'vpcid', 'subnets', 'subnetids', 'securitygroups', 'securitygroupids'].map((key) => [
          key,
          `vpc: ${VPC_EXAMPLE}`,
        ]),
      ),
    },
  },
)
  .superRefine(({ vpc: own, create: made }, context) => {
    if (own !== undefined && made !== undefined)
      context.addIssue({
        code: 'custom',
        message: `vpc is your own VPC and create makes one, so that only one of them can be; write ${CHOICE}`,
      });
    if (own === undefined && made === undefined)
      context.addIssue({ code: 'custom', message: `it names no VPC; write ${CHOICE}` });
  })
  .transform(({ vpc: own, create: made, port25 }): Network => {
    return own === undefined ? { vpc: null, create: made ?? { zones: 1 }, port25 } : { vpc: own, create: null, port25 };
  });

export const networkKey = network.optional().transform((given): Network | null => given ?? null);

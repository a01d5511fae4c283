// Names the AWS service that a function in a VPC could not connect to, and what leads to that service: in the error,
// in the log, and by a metric with an alarm. lambdas/relay.ts puts it around its clients, only in a VPC. Without it a
// missing endpoint looks like any time-out. It changes no call that ends in any other way.

import type { Network } from '#config/settings.ts';
import type { Clock, Watch } from '#pipeline/ports.ts';
import { isNoConnection, OutOfReach } from '../out-of-reach.ts';

/** The last part of the endpoint's name, com.amazonaws.REGION.sqs, and the service's name for people. */
const services = {
  dynamodb: { name: 'DynamoDB', endpoint: 'gateway' },
  s3: { name: 'S3', endpoint: 'gateway' },
  sqs: { name: 'SQS', endpoint: 'interface' },
  secretsmanager: { name: 'Secrets Manager', endpoint: 'interface' },
  email: { name: 'SES', endpoint: 'interface' },
} as const;
export type AwsService = keyof typeof services;

/** One line and one count for each service in this time; every error says it. */
const saidAgainMs = 60_000;

type Middleware = (next: (given: never) => Promise<unknown>, context: unknown) => (given: never) => Promise<unknown>;
type Client = {
  readonly middlewareStack: { add(middleware: never, options: { step: 'initialize'; name: string }): void };
};

export class Reach {
  private readonly terms: { readonly network: Network; readonly region: string };
  private readonly watch: Watch;
  private readonly clock: Clock;
  private readonly saidAt = new Map<AwsService, number>();

  constructor(
    terms: { readonly network: Network; readonly region: string },
    ports: { readonly watch: Watch; readonly clock: Clock },
  ) {
    this.terms = terms;
    this.watch = ports.watch;
    this.clock = ports.clock;
  }

  /** The client, whose calls now end in OutOfReach where all their tries made no connection. */
  of<C extends Client>(service: AwsService, client: C): C {
    const named: Middleware = (next) => async (given) => {
      try {
        return await next(given);
      } catch (error) {
        throw isNoConnection(error) ? this.outOf(service, error) : error;
      }
    };
    // The outermost step: the SDK's own tries are over.
    client.middlewareStack.add(named as never, { step: 'initialize', name: 'namesWhatIsOutOfReach' });
    return client;
  }

  private outOf(service: AwsService, error: unknown): OutOfReach {
    const words = whatLeadsTo(service, this.terms);
    const now = this.clock.now();
    if (now - (this.saidAt.get(service) ?? Number.NEGATIVE_INFINITY) >= saidAgainMs) {
      this.saidAt.set(service, now);
      this.watch.raise('ServiceUnreachable');
      const said = error instanceof Error ? error.message : String(error);
      this.watch.error('aws.unreachable', { service: services[service].name, remedy: words, error: said });
    }
    return new OutOfReach(words, error);
  }
}

/** The way from the VPC to hosts of the Internet that are no AWS services. */
export function wayOutOf(network: Network): string {
  return network.vpc === null
    ? 'see that the NAT gateway and the routes of the VPC of this stack are as the template has them (docs/network.md)'
    : `from ${network.vpc.id} a NAT gateway alone leads to it (docs/network.md)`;
}

/** One sentence for the operator. */
export function whatLeadsTo(
  service: AwsService,
  { network, region }: { readonly network: Network; readonly region: string },
): string {
  const { name, endpoint } = services[service];
  if (network.vpc === null)
    return `${name} cannot be reached from the VPC of this stack: see that its NAT gateway, its routes and its endpoints are as the template has them (docs/network.md)`;
  const groups = network.vpc.securityGroups === null ? '' : ', and its security groups let it out on port 443';
  return (
    `${name} cannot be reached from ${network.vpc.id}: its subnets ${network.vpc.subnets.join(', ')} need a NAT gateway, ` +
    `or the ${endpoint} endpoint com.amazonaws.${region}.${service}${groups} (docs/network.md)`
  );
}

// The gate of all emulated calls, by HTTP or inside. It applies the faults, asks for the permission, runs the work, and
// applies the faults of the way back, in this order. It words refusals as each AWS service does. It never reads a
// request.

import type { Iam } from '../iam/iam.ts';
import {
  AwsError,
  type Call,
  type FaultEffect,
  type Gate,
  ResponseLost,
  type ServiceName,
  type VirtualClock,
} from '../world.ts';
import type { Faults } from './faults.ts';

/**
 * How long the effect `delay` holds a call, in virtual milliseconds: above the request timeout of any sensible client.
 */
const delayMs = 5_000;

export function createGate(parts: {
  readonly faults: Faults;
  readonly iam: Iam;
  readonly clock: VirtualClock;
  readonly timeScale: number;
}): Gate {
  const { faults, iam, clock, timeScale } = parts;
  return {
    async pass<T>(call: Call, work: (effects: readonly FaultEffect[]) => Promise<T>): Promise<T> {
      const struck = faults.strike(call);
      if (struck.has('delay')) {
        await new Promise<void>((resume) => clock.at(clock.now() + delayMs / timeScale, resume));
      }
      if (struck.has('throttle')) throw throttled(call);
      if (struck.has('deny')) throw denied(call.service, call.operation, 'Access Denied by an injected fault');
      for (const access of call.access) {
        const decision = iam.authorize(call.principal, access);
        if (decision.kind === 'denied') throw denied(call.service, call.operation, decision.message);
      }
      // `kill` alone ends the caller before the call takes effect; together with `lose-response` right after.
      if (struck.has('kill') && !struck.has('lose-response')) {
        call.kill?.();
        throw new ResponseLost('the caller was ended before the call took effect');
      }
      const result = await work([...struck].filter((effect) => call.honours?.includes(effect)));
      if (struck.has('kill')) call.kill?.();
      if (struck.has('lose-response')) throw new ResponseLost('the call took effect, its response was lost');
      return result;
    },
    may: iam.may,
  };
}

// Wire codes from the services' API references ("Common errors").
const denials: Readonly<Record<ServiceName, readonly [code: string, statusCode: number]>> = {
  s3: ['AccessDenied', 403],
  sqs: ['AccessDenied', 403],
  sns: ['AuthorizationError', 403],
  dynamodb: ['AccessDeniedException', 400],
  ses: ['AccessDeniedException', 403],
  secretsmanager: ['AccessDeniedException', 400],
  lambda: ['AccessDeniedException', 403],
  cloudwatch: ['AccessDenied', 403],
  cloudformation: ['AccessDenied', 403],
  kms: ['AccessDenied', 403], // as S3 passes it on: only S3 calls KMS here
  sts: ['AccessDenied', 403],
};
const throttles: Readonly<Record<ServiceName, readonly [code: string, statusCode: number]>> = {
  s3: ['SlowDown', 503],
  sqs: ['RequestThrottled', 403],
  sns: ['Throttled', 429],
  dynamodb: ['ProvisionedThroughputExceededException', 400],
  ses: ['TooManyRequestsException', 429],
  secretsmanager: ['ThrottlingException', 400],
  lambda: ['TooManyRequestsException', 429],
  cloudwatch: ['Throttling', 400],
  cloudformation: ['Throttling', 400],
  kms: ['ThrottlingException', 400],
  sts: ['Throttling', 400],
};
/** SES's older API (Query protocol) words both differently from SES v2; these operations exist only there. */
const sesQueryOperations: readonly string[] = ['SendBounce', 'SendRawEmail'];

/** The service's own error for "not allowed". */
export function denied(service: ServiceName, operation: string, message: string): AwsError {
  const [code, statusCode] = sesQueryOperations.includes(operation) ? ['AccessDenied' as const, 403] : denials[service];
  return new AwsError(code, statusCode, message);
}

function throttled(call: Call): AwsError {
  const [code, statusCode] = sesQueryOperations.includes(call.operation)
    ? ['Throttling' as const, 400]
    : throttles[call.service];
  return new AwsError(code, statusCode, 'Rate exceeded (an injected fault).');
}

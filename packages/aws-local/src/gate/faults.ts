// The faults that are switched on. The gate asks which of them apply to a call. Added by `aws.faults.add`, or by the
// product's console. It never brings a fault about itself.

import { type Call, type Fault, type FaultEffect, type ServiceName, serviceNames } from '../world.ts';

export type Faults = {
  /** Adds a fault, given as JSON. Throws FaultRefused with one line that names the mistake. */
  add(posted: unknown): Fault;
  list(): readonly Fault[];
  clear(): void;
  /** The effects that strike this call; each fault that strikes has one of its `times` used up. */
  strike(call: Call): ReadonlySet<FaultEffect>;
};

export class FaultRefused extends Error {}

const effects: readonly FaultEffect[] = [
  'deny',
  'throttle',
  'delay',
  'lose-response',
  'remove',
  'corrupt',
  'truncate',
  'kill',
];
/**
 * Effects that only a service can produce, with these services. On any other service such a fault would never apply.
 */
const servedBy: Partial<Record<FaultEffect, readonly ServiceName[]>> = {
  remove: ['s3', 'kms'],
  corrupt: ['s3'],
  truncate: ['s3'],
};

/**
 * Only S3 calls KMS, and it has error texts of its own for these effects. A service that is not listed has the effects
 * of the gate.
 */
const knownTo: Partial<Record<ServiceName, readonly FaultEffect[]>> = { kms: ['deny', 'delay', 'remove'] };

export function createFaults(): Faults {
  let faults: Fault[] = [];
  let added = 0;

  return {
    add(posted) {
      const fault: Fault = { id: `fault-${added + 1}`, ...parse(posted) };
      added += 1;
      faults.push(fault);
      return { ...fault };
    },
    list: () => faults.map((fault) => ({ ...fault })),
    clear() {
      faults = [];
    },
    strike(call) {
      const struck = new Set<FaultEffect>();
      for (const fault of faults) {
        if (!strikes(fault, call)) continue;
        struck.add(fault.effect);
        if (fault.times !== undefined) fault.times -= 1;
      }
      faults = faults.filter((fault) => fault.times === undefined || fault.times > 0);
      return struck;
    },
  };
}

function strikes(fault: Fault, call: Call): boolean {
  if (fault.service !== call.service) return false;
  if (fault.operation !== undefined && fault.operation !== call.operation) return false;
  if (fault.match !== undefined && !call.target.includes(fault.match)) return false;
  if (fault.effect === 'kill') return call.kill !== undefined;
  return servedBy[fault.effect] === undefined || (call.honours ?? []).includes(fault.effect);
}

function parse(posted: unknown): Omit<Fault, 'id'> {
  if (typeof posted !== 'object' || posted === null || Array.isArray(posted)) {
    throw new FaultRefused('a fault is an object: {"service": …, "effect": …}');
  }
  const { service, operation, match, effect, times, ...others } = posted as Record<string, unknown>;
  const stranger = Object.keys(others)[0];
  if (stranger !== undefined) throw new FaultRefused(`"${stranger}" is no member of a fault`);
  const knownService = serviceNames.find((name) => name === service);
  if (knownService === undefined) throw new FaultRefused(`service must be one of ${serviceNames.join(', ')}`);
  const knownEffect = effects.find((name) => name === effect);
  if (knownEffect === undefined) throw new FaultRefused(`effect must be one of ${effects.join(', ')}`);
  const strange = servedBy[knownEffect]?.includes(knownService) === false;
  if (strange || knownTo[knownService]?.includes(knownEffect) === false) {
    throw new FaultRefused(`${knownService} knows no effect "${knownEffect}"`);
  }
  if (operation !== undefined && typeof operation !== 'string') {
    throw new FaultRefused('operation must be the name of an SDK operation');
  }
  if (match !== undefined && typeof match !== 'string') throw new FaultRefused('match must be a string');
  if (times !== undefined && !(typeof times === 'number' && Number.isInteger(times) && times >= 1)) {
    throw new FaultRefused('times must be a whole number from 1');
  }
  return {
    service: knownService,
    effect: knownEffect,
    ...(operation === undefined ? {} : { operation }),
    ...(match === undefined ? {} : { match }),
    ...(times === undefined ? {} : { times }),
  };
}

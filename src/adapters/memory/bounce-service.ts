// SES's SendBounce in memory. It follows a script and keeps what it accepted, for tests that compare it with the
// ledger. It keeps one promise of SES: a throttled or refused call sent nothing.

import type { ServiceBounce } from '#core/notice/ses-bounce.ts';
import type { NetworkFault } from '#core/reply/reply.ts';
import { statusOf } from '#core/reply/status.ts';
import type { BounceService, NextHopResult } from '#pipeline/ports.ts';

export type ScriptedBounce =
  | 'accept'
  | 'busy'
  | 'refuse'
  | { readonly fault: NetworkFault; readonly accepted: boolean };

const HOST = 'memory.ses.example';

export class MemoryBounceService implements BounceService {
  private readonly script: (call: number) => ScriptedBounce;
  private calls = 0;
  readonly accepted: ServiceBounce[] = [];

  /** `call` counts from 1. */
  constructor(script: (call: number) => ScriptedBounce = () => 'accept') {
    this.script = script;
  }

  async sendBounce(bounce: ServiceBounce): Promise<NextHopResult | { readonly kind: 'busy' }> {
    this.calls += 1;
    const said = this.script(this.calls);
    if (said === 'busy') return { kind: 'busy' };
    if (said === 'refuse')
      return { kind: 'service', name: 'MessageRejected', text: 'Could not find it', statusCode: 400, host: HOST };
    if (said === 'accept' || said.accepted) this.accepted.push(bounce);
    if (said !== 'accept')
      return { kind: 'network', phase: 'final-dot', fault: said.fault, detail: 'scripted', host: HOST };
    const reply = { code: 250, status: statusOf('2.0.0'), text: 'Ok', host: HOST };
    return { kind: 'reply', phase: 'final-dot', reply, tls: true };
  }
}

// SES's SendBounce, called by relay: SES composes and sends a notice for mail that it received less than a day ago. The
// account's limit is one call a second. Each execution environment keeps to it by itself, and SES throttles the rest. A
// throttled call sent nothing. It never waits for its turn: a caller that gets `busy` uses another way or comes again.

import { type SESClient, SendBounceCommand } from '@aws-sdk/client-ses';
import { bounceEveryMs } from '#core/limits.ts';
import type { ServiceBounce } from '#core/notice/ses-bounce.ts';
import type { BounceService, Clock, NextHopResult } from '#pipeline/ports.ts';
import { neverSent, resultOfFailure, withoutId } from './ses-errors.ts';
import { accepted } from './ses-next-hop.ts';

export class SesBounceService implements BounceService {
  private readonly client: SESClient;
  private readonly clock: Clock;
  private readonly host: string;
  private freeAt = 0;

  constructor(client: SESClient, terms: { readonly clock: Clock; readonly region: string }) {
    this.client = client;
    this.clock = terms.clock;
    this.host = `email.${terms.region}.amazonaws.com`;
  }

  async sendBounce(bounce: ServiceBounce, signal: AbortSignal): Promise<NextHopResult | { readonly kind: 'busy' }> {
    if (signal.aborted) return neverSent(this.host);
    const now = this.clock.now();
    if (now < this.freeAt) return { kind: 'busy' };
    this.freeAt = now + bounceEveryMs;
    try {
      const { MessageId } = await this.client.send(commandOf(bounce), { abortSignal: signal });
      return MessageId ? accepted(MessageId, this.host) : withoutId(this.host);
    } catch (error) {
      const result = resultOfFailure(error, this.host, signal);
      return result.kind === 'service' && isRateExceeded(result) ? { kind: 'busy' } : result;
    }
  }
}

/** A daily quota is none of this: waiting a second does not help there. */
function isRateExceeded({ name, text }: { readonly name: string; readonly text: string }): boolean {
  return /^(?:Throttling|ThrottlingException|TooManyRequestsException)$/.test(name) && !/daily|quota/i.test(text);
}

function commandOf(bounce: ServiceBounce): SendBounceCommand {
  const { diagnosticCode, remoteMta, lastAttemptAt } = bounce;
  return new SendBounceCommand({
    OriginalMessageId: bounce.sesMessageId,
    BounceSender: bounce.from,
    Explanation: bounce.explanation,
    MessageDsn: { ReportingMta: `dns; ${bounce.reportingMta}`, ArrivalDate: new Date(bounce.arrivedAt) },
    BouncedRecipientInfoList: [
      {
        Recipient: bounce.forwardPath,
        RecipientDsnFields: {
          FinalRecipient: bounce.forwardPath, // SES puts "rfc822;" before it
          Action: bounce.action,
          Status: bounce.status,
          ...(diagnosticCode === null ? {} : { DiagnosticCode: diagnosticCode }),
          ...(remoteMta === null ? {} : { RemoteMta: `dns; ${remoteMta}` }),
          ...(lastAttemptAt === null ? {} : { LastAttemptDate: new Date(lastAttemptAt) }),
        },
      },
    ],
  });
}

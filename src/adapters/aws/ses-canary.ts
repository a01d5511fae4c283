// Canaries by SES, for the feedback function: one message, from an address to itself. It names no configuration set, so
// that SES publishes no event about it: whether it arrives is what the canary finds out. It throws where SES refuses.

import { type SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import type { CanaryMail } from '#pipeline/ports.ts';

export class SesCanary implements CanaryMail {
  private readonly client: SESv2Client;

  constructor(client: SESv2Client) {
    this.client = client;
  }

  async send(address: string, content: Uint8Array, signal: AbortSignal): Promise<string> {
    const command = new SendEmailCommand({
      FromEmailAddress: address,
      Destination: { ToAddresses: [address] },
      Content: { Raw: { Data: content } },
    });
    const { MessageId } = await this.client.send(command, { abortSignal: signal });
    return MessageId ?? '';
  }
}

// The line of `npm run synth` about domains whose authors need a proof (docs/authors.md). Called by synth.ts. It never
// asks the DNS, because records may change after every synth.

import type { Settings } from '#config/settings.ts';
import { domainsToProve } from '#core/message/ses-use.ts';

/** Null where no mail from outside leaves by SES. */
export function dmarcAdvice(settings: Settings): string | null {
  const domains = domainsToProve(settings);
  if (domains.length === 0) return null;
  return (
    `mail from outside may leave by SES: an author of ${domains.join(', ')} is kept only where DMARC, or SPF or DKIM of an aligned domain, proves him. ` +
    'Without a DMARC record most authors are written over: publish one for each domain, p=none at least (docs/authors.md)'
  );
}

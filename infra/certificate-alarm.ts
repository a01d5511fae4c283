// The alarm of client certificates that end. Called by watch.ts, where a next hop has a certificate. It decides from
// how many days on the alarm is raised. It measures nothing: relay publishes the level
// (src/adapters/smtp/identity-terms.ts).

import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { secretsOfHop } from '#config/hop-secrets.ts';
import type { Settings } from '#config/settings.ts';
import { certificateDaysLeftAlarm } from '#core/limits.ts';
import { metricNamespace } from './stages.ts';

/**
 * Relay publishes the days that are left as it reads the certificate, each hour and while there is mail for that next
 * hop: the lowest level of a day counts. Without the hourly call KeepAliveDeadLetters or RelayErrors stands, so that a
 * day without a level says nothing. Null where no next hop has a certificate.
 */
export function certificateAlarm({ nextHops, stackName }: Settings) {
  const has = Object.values(nextHops).some((hop) => secretsOfHop(hop).some(({ holds }) => holds === 'certificate'));
  if (!has) return null;
  return {
    metric: new Metric({
      namespace: metricNamespace,
      metricName: 'ClientCertificateDays',
      dimensionsMap: { service: stackName },
      period: Duration.days(1),
      statistic: 'Minimum',
    }),
    threshold: certificateDaysLeftAlarm,
    below: true,
    article: 'A client certificate that ends',
    says: 'a certificate by which a next hop knows us ends within three weeks; without it no mail goes there.',
  } as const;
}

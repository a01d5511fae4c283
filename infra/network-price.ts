// The monthly price of `network`, for `npm run synth` and docs/network.md: AWS's list prices of one region at one time.
// Called by synth.ts. Other regions cost as much or more. It asks no price service.

import type { Settings } from '#config/settings.ts';

/** US dollars in us-east-1, from the price pages of Amazon VPC. */
export const networkPrices = {
  asOf: '2026-11',
  region: 'us-east-1',
  natGatewayHour: 0.045,
  natGatewayGigabyte: 0.045,
  publicAddressHour: 0.005,
  interfaceEndpointHour: 0.01,
  interfaceEndpointGigabyte: 0.01,
} as const;

/** As AWS's own calculator counts. */
const hoursPerMonth = 730;

/** The price of a zone in a VPC of the stack, for a month before any mail: its NAT gateway and its address. */
export function zonePerMonth(): number {
  return (networkPrices.natGatewayHour + networkPrices.publicAddressHour) * hoursPerMonth;
}

/** The price of an interface endpoint for a month in each zone. */
export function endpointPerMonth(): number {
  return networkPrices.interfaceEndpointHour * hoursPerMonth;
}

/** One line; null where relay runs outside of any VPC, which costs nothing. */
export function networkPriceLine({ network }: Pick<Settings, 'network'>): string | null {
  if (network === null) return null;
  const { asOf, region, natGatewayGigabyte } = networkPrices;
  const where = `${region}, ${asOf}; docs/network.md`;
  if (network.vpc !== null)
    return `network: your VPC; this stack adds no hourly price, an interface endpoint is ${dollars(endpointPerMonth())} a month in each zone (${where})`;
  const { zones } = network.create;
  const parts =
    zones === 1 ? '1 NAT gateway and its public IPv4 address' : `${zones} NAT gateways and their public IPv4 addresses`;
  return `network: ${parts}, ${dollars(zones * zonePerMonth())} a month, and ${dollars(natGatewayGigabyte, 3)} for each GB through them (${where})`;
}

function dollars(amount: number, digits = 2): string {
  return `$${amount.toFixed(digits)}`;
}

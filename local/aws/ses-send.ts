// The sending and management side of the emulated SES, over HTTP: for now only what activates the receipt rule set, by the
// older Query protocol. Every other operation answers NotImplemented and its name, in the form that its SDK client reads.

import { AwsError, type HttpCall, type HttpService, type World } from '#local/world.ts';
import { readBody } from './request-body.ts';
import type { ReceiptRules } from './ses-receive.ts';
import type { ReceiptRule } from './ses-rules.ts';
import { writeXml, type XmlElement } from './xml.ts';

const BODY_BYTES_MAX = 15 * 1024 * 1024; // SES v1: 10 MB a raw message, in base64
const NAMESPACE = 'http://ses.amazonaws.com/doc/2010-12-01/';

type Operation = (form: URLSearchParams, rules: ReceiptRules) => XmlElement;
const OPERATIONS: Readonly<Record<string, Operation>> = {
  SetActiveReceiptRuleSet: (form, rules) => {
    rules.setActive(form.get('RuleSetName')); // absent: no rule set is active any more
    return {};
  },
  DescribeActiveReceiptRuleSet: (_form, rules) => {
    const active = rules.active();
    if (active === null) return {};
    return {
      Metadata: { Name: active.name, CreatedTimestamp: new Date(active.createdAt).toISOString() },
      Rules: { member: active.rules.map(ruleXml) },
    };
  },
};

export function createSes(world: World, rules: ReceiptRules): HttpService {
  return {
    name: 'ses',
    async serve(call) {
      const body = await readBody(call.request, BODY_BYTES_MAX);
      if (isV2(call)) throw notEmulated(`v2 ${call.request.method} ${call.url.pathname}`);
      const form = new URLSearchParams(body.toString());
      const name = form.get('Action') ?? '';
      const operation = OPERATIONS[name];
      if (!operation) throw notEmulated(name || 'without an Action');
      const result = await world.gate.pass(
        {
          service: 'ses',
          operation: name,
          target: form.get('RuleSetName') ?? '',
          principal: call.principal,
          access: [{ action: `ses:${name}`, resource: '*' }],
          ...(call.kill ? { kill: call.kill } : {}),
        },
        async () => operation(form, rules),
      );
      const members = { [`${name}Result`]: result, ResponseMetadata: { RequestId: call.requestId } };
      send(call, 200, 'text/xml', writeXml(`${name}Response`, members, NAMESPACE));
    },
    fail(call, error) {
      if (isV2(call)) {
        call.response.setHeader('x-amzn-errortype', error.code);
        send(call, error.statusCode, 'application/json', JSON.stringify({ message: error.message }));
        return;
      }
      const sent = { Type: error.statusCode < 500 ? 'Sender' : 'Receiver', Code: error.code, Message: error.message };
      send(
        call,
        error.statusCode,
        'text/xml',
        writeXml('ErrorResponse', { Error: sent, RequestId: call.requestId }, NAMESPACE),
      );
    },
  };
}

const isV2 = (call: HttpCall): boolean => call.url.pathname.startsWith('/v2/');
const notEmulated = (what: string): AwsError => new AwsError('NotImplemented', 501, `SES ${what} is not emulated`);

function ruleXml(rule: ReceiptRule): XmlElement {
  return {
    Name: rule.Name,
    Enabled: rule.Enabled === true,
    TlsPolicy: rule.TlsPolicy ?? 'Optional',
    Recipients: { member: rule.Recipients ?? [] },
    Actions: { member: (rule.Actions ?? []).map((action) => action as XmlElement) },
    ScanEnabled: rule.ScanEnabled === true,
  };
}

function send({ response }: HttpCall, status: number, type: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(status, { 'content-type': type, 'content-length': body.length });
  response.end(body);
}

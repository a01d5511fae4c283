// The template reader: intrinsics, order, and that nothing unknown passes in silence.
// One row an intrinsic; every refusal names the place in the template.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  creationOrder,
  type Json,
  readAssembly,
  resolve,
  type Scope,
  type Template,
} from '../src/cloudformation/template.ts';

const pseudo = { 'AWS::Region': 'eu-west-1', 'AWS::AccountId': '000000000000', 'AWS::Partition': 'aws' };
const template: Template = {
  Parameters: { Named: { Type: 'String', Default: 'by default' }, Bare: { Type: 'String' } },
  Conditions: {
    Here: { 'Fn::Equals': [{ Ref: 'AWS::Region' }, 'eu-west-1'] },
    There: { 'Fn::Not': [{ Condition: 'Here' }] },
  },
  Mappings: { Sizes: { small: { bytes: 5 } } },
  Resources: { Queue: { Type: 'AWS::SQS::Queue' } },
};
const scope: Scope = {
  template,
  pseudo,
  created: new Map([['Queue', { ref: 'http://q/', attributes: { Arn: 'arn:q', QueueName: 'q' } }]]),
};
const at = (value: Json): Json => resolve(value, scope, 'Thing.Property');

describe('an intrinsic', () => {
  it.each<[string, Json, Json]>([
    ['Ref to a resource', { Ref: 'Queue' }, 'http://q/'],
    ['Ref to a pseudo parameter', { Ref: 'AWS::AccountId' }, '000000000000'],
    ['Ref to a parameter', { Ref: 'Named' }, 'by default'],
    ['Ref to no value, as a member', { a: 1, b: { Ref: 'AWS::NoValue' } }, { a: 1 }],
    ['Ref to no value, as an element', [1, { Ref: 'AWS::NoValue' }], [1]],
    ['GetAtt with a list', { 'Fn::GetAtt': ['Queue', 'Arn'] }, 'arn:q'],
    ['GetAtt with text', { 'Fn::GetAtt': 'Queue.QueueName' }, 'q'],
    ['Join', { 'Fn::Join': ['-', ['a', { Ref: 'AWS::Region' }, 3]] }, 'a-eu-west-1-3'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's own syntax
    ['Sub', { 'Fn::Sub': 'x-${AWS::Region}-${Queue.Arn}-${!kept}' }, 'x-eu-west-1-arn:q-${kept}'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's own syntax
    ['Sub with its own values', { 'Fn::Sub': ['${a}/${Queue}', { a: { Ref: 'Named' } }] }, 'by default/http://q/'],
    ['Select of Split', { 'Fn::Select': [1, { 'Fn::Split': [':', { 'Fn::GetAtt': ['Queue', 'Arn'] }] }] }, 'q'],
    ['GetAZs, of which a region here has three', { 'Fn::Select': [2, { 'Fn::GetAZs': '' }] }, 'eu-west-1c'],
    ['If that holds', { 'Fn::If': ['Here', 'yes', { Ref: 'Unknown' }] }, 'yes'],
    ['If that does not', { 'Fn::If': ['There', 'yes', 'no'] }, 'no'],
    ['FindInMap', { 'Fn::FindInMap': ['Sizes', 'small', 'bytes'] }, 5],
    [
      'a Condition that is an IAM statement’s',
      { Condition: { Bool: { a: 'b' } } },
      { Condition: { Bool: { a: 'b' } } },
    ],
  ])('%s', (_, value, expected) => {
    expect(at(value)).toEqual(expected);
  });

  it.each<[Json, string]>([
    [{ 'Fn::ImportValue': 'x' }, 'Thing.Property: the intrinsic Fn::ImportValue is not emulated'],
    [{ 'Fn::GetAtt': ['Queue', 'Colour'] }, 'this attribute of AWS::SQS::Queue is not emulated'],
    [{ Ref: 'AWS::Moon' }, 'Ref AWS::Moon names neither'],
    [{ Ref: 'Bare' }, 'the parameter Bare has no default'],
    [{ 'Fn::Select': [9, ['a']] }, 'no element 9'],
    [{ 'Fn::Join': [',', [{ a: 1 }]] }, 'expected text'],
    [{ 'Fn::If': ['Nowhere', 1, 2] }, 'no condition Nowhere'],
  ])('%j is refused by name', (value, message) => {
    expect(() => at(value)).toThrow(message);
  });
});

describe('the order of creation', () => {
  const order = (resources: Template['Resources']): readonly string[] =>
    creationOrder({ template: { ...template, Resources: resources }, pseudo });

  it('puts each resource after what it refers to', () => {
    const ids = order({
      // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's own syntax
      A: { Type: 'T', Properties: { x: { 'Fn::Sub': '${B.Arn}-${AWS::Region}' } } },
      B: { Type: 'T', Properties: { x: { 'Fn::Join': ['', [{ Ref: 'C' }, { Ref: 'Named' }]] } } },
      C: { Type: 'T', DependsOn: ['D'] },
      D: { Type: 'T', DependsOn: 'E' },
      E: { Type: 'T' },
    });
    expect(ids).toEqual(['E', 'D', 'C', 'B', 'A']);
  });

  it('leaves out what its condition excludes', () => {
    expect(
      order({ A: { Type: 'T', Condition: 'There' }, B: { Type: 'T', DependsOn: 'A', Condition: 'Here' } }),
    ).toEqual(['B']);
  });

  it('names a circle and a dangling reference', () => {
    expect(() => order({ A: { Type: 'T', DependsOn: 'B' }, B: { Type: 'T', DependsOn: 'A' } })).toThrow('A → B → A');
    expect(() => order({ A: { Type: 'T', Properties: { x: { Ref: 'Gone' } } } })).toThrow('A refers to Gone');
  });
});

describe('an assembly', () => {
  it('gives the template and the folder of an asset', () => {
    const folder = mkdtempSync(join(tmpdir(), 'assembly-'));
    const write = (name: string, value: unknown): void => writeFileSync(join(folder, name), JSON.stringify(value));
    write('manifest.json', {
      artifacts: {
        'Mail.assets': { type: 'cdk:asset-manifest' },
        Mail: { type: 'aws:cloudformation:stack', properties: { templateFile: 'Mail.template.json' } },
      },
    });
    write('Mail.template.json', template);
    write('Mail.assets.json', {
      files: { abc: { source: { path: 'asset.abc' }, destinations: { x: { objectKey: 'abc.zip' } } } },
    });
    const assembly = readAssembly(folder);
    expect(assembly.stackName).toBe('Mail');
    expect(assembly.asset('abc.zip')).toBe(join(folder, 'asset.abc'));
    expect(() => assembly.asset('nope.zip')).toThrow('nope.zip');
    expect(assembly.template.Resources.Queue?.Type).toBe('AWS::SQS::Queue');
  });
});

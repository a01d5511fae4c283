// The watch's lines on standard output, which CloudWatch reads: one JSON object an event, one EMF object an invocation.
// It takes standard output for itself while it runs.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PowertoolsWatch } from '#adapters/aws/powertools-watch.ts';

describe('PowertoolsWatch', () => {
  let lines: Record<string, unknown>[];
  beforeEach(() => {
    lines = [];
    vi.stubEnv('POWERTOOLS_SERVICE_NAME', 'Everpost');
    const take = (chunk: unknown) => {
      for (const line of String(chunk).trim().split('\n')) lines.push(JSON.parse(line));
      return true;
    };
    vi.spyOn(process.stdout, 'write').mockImplementation(take);
    vi.spyOn(process.stderr, 'write').mockImplementation(take);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  it('writes an event as one line, with its fields, the stage and the invocation', () => {
    const watch = new PowertoolsWatch('relay');
    watch.begin('request-1');
    watch.warn('relay.deferred', { spoolId: 's1', forwardPath: 'bob@example.com', attempt: 2 });
    watch.begin('request-2');
    watch.error('relay.failed', { spoolId: 's2', error: 'Error: no' });
    expect(lines).toMatchObject([
      {
        level: 'WARN',
        message: 'relay.deferred',
        service: 'Everpost',
        stage: 'relay',
        awsRequestId: 'request-1',
        spoolId: 's1',
        forwardPath: 'bob@example.com',
        attempt: 2,
      },
      { level: 'ERROR', message: 'relay.failed', awsRequestId: 'request-2', spoolId: 's2', error: 'Error: no' },
    ]);
    expect(lines[1]).not.toHaveProperty('forwardPath'); // fields stay with their event
  });

  it('publishes at once what calls a person, also where nothing is flushed any more', () => {
    const watch = new PowertoolsWatch('bounce');
    watch.count('Returned');
    watch.raise('Held');
    expect(lines).toMatchObject([{ service: 'Everpost', stage: 'bounce', Held: 1 }]);
    expect(lines[0]).not.toHaveProperty('Returned');
  });

  it('writes the invocation’s sums as one EMF line, zeros too', () => {
    const watch = new PowertoolsWatch('sweep');
    watch.count('SweepRun');
    watch.count('Relayed', 2);
    watch.count('Relayed');
    watch.count('Held', 0);
    expect(lines).toEqual([]);
    watch.flush();
    expect(lines).toHaveLength(1);
    const [emf] = lines as [
      {
        _aws: {
          CloudWatchMetrics: { Namespace: string; Dimensions: string[][]; Metrics: { Name: string; Unit: string }[] }[];
        };
      },
    ];
    const [directive] = emf._aws.CloudWatchMetrics;
    expect(directive?.Namespace).toBe('Everpost');
    expect(directive?.Dimensions).toEqual([['service']]);
    expect(directive?.Metrics.map(({ Name, Unit }) => `${Name} ${Unit}`).sort()).toEqual([
      'Held Count',
      'Relayed Count',
      'SweepRun Count',
    ]);
    expect(emf).toMatchObject({ service: 'Everpost', stage: 'sweep', SweepRun: 1, Relayed: 3, Held: 0 });
    watch.flush(); // nothing counted, nothing written
    expect(lines).toHaveLength(1);
  });
});

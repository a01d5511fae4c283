// Seeds that once showed a fault: each is played in every run of the tests. The story says what was wrong; what a seed
// plays may change when the generator does, and then the test that tells the same story in test/simulation stays. Those
// that are `plain` were found without conditions of next hops, those of `restore` with a restore of the ledger
// (`--restore`), and are played so.

type Found = { readonly seed: number; readonly plain?: true; readonly restore?: true; readonly story: string };
export const FOUND: readonly Found[] = [
  {
    seed: 78,
    plain: true,
    story: 'a worker died after the next hop took it; the row expired, and the NDR said nothing of it',
  },
  { seed: 81, plain: true, story: 'the same at a smart host, by a lost answer' },
  { seed: 101, plain: true, story: 'three NDRs after lost results, none of which said that it might be the second' },
  { seed: 106, plain: true, story: 'ingest died after it wrote held rows, and their alarm died with it' },
  { seed: 120, plain: true, story: 'four NDRs of one delivery, unmarked' },
  { seed: 128, plain: true, story: 'a second NDR for an address without a route, unmarked' },
  {
    seed: 20,
    plain: true,
    story: 'bounce died after it held a delivery whose notice had expired, and no alarm was raised',
  },
  { seed: 290, plain: true, story: 'content was lost behind an open next hop, and its delivery never came to an end' },
  {
    seed: 139,
    plain: true,
    restore: true,
    story: 'no row of the restored ledger was missing, so that nobody looked for rows that neither ledger had',
  },
  {
    seed: 288,
    story: 'a function stood still between a refusal and its judgement, and the next hop was new no more meanwhile',
  },
  { seed: 644, story: 'the wait for the rate of SES let a next hop have three messages within the time of two' },
];

// Every limit with its unit and its reason. Code and template read the same numbers; test/unit/core/limits.test.ts
// holds their relations. The local runtime may divide times by a scale, all alike; it never changes a count or a size.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** SRS counts days. */
export const dayMs = DAY;
const KIB = 1024;
const MIB = 1024 * KIB;

// ── Functions, leases and queues ────────────────────────────────────────────────────────────────────────────────────

/**
 * RFC 5321 §4.5.3.2.6 gives the final dot alone ten minutes; two more for the dialogue before it, and two for the jobs
 * that the function takes while it is held (`heldLeastMs`). Lambda ends at 900 s.
 */
export const relayTimeoutMs = 840 * SECOND;
/** A stage ends its work this long before its function's time is over, so that the outcome can still be recorded. */
export const deadlineMarginMs = 10 * SECOND;
/**
 * Outlives the relay function: a row is never claimed twice while an attempt may still be under way, by whichever next
 * hop (docs/decisions/one-lease.md).
 */
export const smtpLeaseMs = 870 * SECOND;
/** Stages that talk to AWS alone. */
export const ingestTimeoutMs = 60 * SECOND;
/** Also of bounce, which is the same function. */
export const feedbackTimeoutMs = 60 * SECOND;
/** Outlives the feedback function, which claims the rows of what came back. */
export const feedbackLeaseMs = 120 * SECOND;
/** The next run starts a minute later; a sweep that is cut off goes on where the index says. */
export const sweepTimeoutMs = 55 * SECOND;
/**
 * AWS: visibility of at least six function timeouts, or batches that wait for a free worker come back while being
 * worked on.
 */
export const visibilityPerTimeout = 6;
export const relayVisibilityMs = visibilityPerTimeout * relayTimeoutMs;
export const ingestVisibilityMs = visibilityPerTimeout * ingestTimeoutMs;
export const feedbackVisibilityMs = visibilityPerTimeout * feedbackTimeoutMs;
/** SQS counts a message's visibility from its receive and ends it at twelve hours. */
export const visibilityMsMax = 12 * HOUR;
/** AWS recommends at least five; it is the detector of poison only, never the retry policy. */
export const maxReceiveCount = 5;
/**
 * For so long an account may have no function to spare: a flood of mail, or another application, has all of its
 * concurrency. SQS counts a receive that Lambda then cannot run, and hides the message for its visibility.
 */
export const starvedMsMax = 2 * HOUR;
/**
 * Receipts, and SES's events, are in their queues alone. They survive the starved hours, and are then received as often
 * as any poison. A job that fails at its fifth receive or later calls a person at once (`JobFailing`).
 */
export const ingestReceivesMax = starvedMsMax / ingestVisibilityMs + maxReceiveCount;
export const feedbackReceivesMax = starvedMsMax / feedbackVisibilityMs + maxReceiveCount;
/** A delivery claimed this often without a recorded outcome is poison. The same number, so that both exits agree. */
export const claimsMax = maxReceiveCount;
/** SQS's longest. Retention expiry deletes without a dead-letter queue, so it must outlast every lifetime. */
export const queueRetentionMs = 14 * DAY;

// ── The sweep ───────────────────────────────────────────────────────────────────────────────────────────────────────

export const sweepEveryMs = MINUTE;
/** How long the event of a schedule waits for a function to spare. Later ones do its work. */
export const scheduledEventMsMax = HOUR;
/**
 * A row that was enqueued and never claimed is enqueued again after this, and only while the queue shows no backlog.
 */
export const lostJobAfterMs = 15 * MINUTE;
/**
 * With a backlog it is lost all the same after this: a dead next hop's jobs must not hide another's lost one for days.
 */
export const lostAnywayAfterMs = HOUR;
/** The relay queue is kept topped up to this: Postfix bounds its active queue likewise (qmgr_message_active_limit). */
export const activeJobsMax = 10_000;
/** Rows of one query of the due index, and how many of them are looked at side by side. */
export const sweepPage = 500;
export const sweepConcurrency = 16;
/**
 * Where the due index has no more entries, it is read at once: so many cost about as much as a query of each shard that
 * finds nothing.
 */
export const shortIndexMax = 500;
/** Where it has more, so many further reads go by its shards before one tries again whether it is short. */
export const shortIndexAgainAfter = 30;
/**
 * Where more is due than the relay queue has room for, the same run looks again after this: a fast next hop drains its
 * share in less than a minute.
 */
export const topUpEveryMs = 5 * SECOND;
/** Where only a probe or a recovery is waited for, the first look again comes so soon; each later one twice as late. */
export const firstLookMs = 100;
/** The hour of the expiry limit. */
export const expiryHourMs = HOUR;
/** Of an hour's expiries, POISON and content-unreadable ones above max(count, share) are held instead of returned. */
export const suspectExpiriesPerHourMax = 100;
export const suspectExpiriesShareMax = 0.05;

// ── The failure limit ───────────────────────────────────────────────────────────────────────────────────────────────
/** Failures that no rule knows are counted over so long, at one next hop and in the same words. */
export const failureLimitMs = HOUR;
/** Different recipients; further failures are held. So many senders hear of a fault that is not theirs, and no more. */
export const failureLimitRecipients = 10;
/** Characters of a reply that are compared: a reply of several lines tells what it has to tell at its beginning. */
export const failureWordsMax = 2_000;
/** NDRs of held failures whose lifetime is over, in a minute: thousands may end at once. */
export const heldFailuresPerMinuteMax = 10;

// ── The health of next hops ─────────────────────────────────────────────────────────────────────────────────────────
/** A function reads the board of next hops at most this often: a pause takes effect within it, and it costs little. */
export const boardEveryMs = 10 * SECOND;
/** An attempt that takes so long is slow: its next hop's jobs go to a lane of their own, where they keep no other. */
export const slowAfterMs = 10 * SECOND;
/**
 * A job that takes so long holds its function, which then takes others from the queue itself: a second after its next
 * hop is slow, so that no more jobs are begun there.
 */
export const heldAfterMs = slowAfterMs + SECOND;
/** A function that is held asks an empty queue again after this. */
export const heldAskAgainMs = SECOND;
/**
 * A function that is held begins no job with less time. An attempt that holds it from its start on lasts until the
 * final dot's ten minutes are over: it may work on beside it until then.
 */
export const heldLeastMs = 200 * SECOND;
/** Jobs of one function, with those that hold it: a socket and some memory each. */
export const jobsUnderWayMax = 40;
/** Metrics of an invocation that goes on: alarms look at each minute. */
export const flushEveryMs = MINUTE;
/** So many attempts in a row without an answer to MAIL open a next hop. Each of them had a connection of its own. */
export const openAfterFailures = 10;
/**
 * While it is open, the pauses before the first, second, … attempt; the last one repeats. Postfix's
 * minimal_backoff_time is 300 s; a server that was restarted is found sooner.
 */
export const openProbesMs = [MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE] as const;
/** The same where our credentials were refused: servers lock accounts after some refused logins. */
export const credentialsProbesMs = [5 * MINUTE, 15 * MINUTE, HOUR] as const;
/** A pause extends the lifetime of what it keeps up to this in all: as long as `retry.lifetime` may be at most. */
export const pausedLifetimeMsMax = 14 * DAY;
/** Pauses that ended, in a scope's record: about 6 KB. An item has 400 KB (DynamoDB). */
export const pausesKeptMax = 100;

// ── concurrency and messagesPerSecond of a next hop ─────────────────────────────────────────────────────────────────

/** Connections at once where the configuration says nothing (Postfix's default_destination_concurrency_limit). */
export const nextHopConcurrencyDefault = 20;
/** How often the sweep asks SES for the account's quotas: they change by the day, and a pause of sending at once. */
export const sesAccountEveryMs = 5 * MINUTE;
/** How often the sweep asks SES for the active rule set and the identities: a person's hand or DNS changes them. */
export const sesSetUpEveryMs = HOUR;
/** And where something is wrong, so that the alarm ends soon after its cause. */
export const sesSetUpWrongEveryMs = MINUTE;
/** A fault of receiving counts from then on: a first deploy runs the sweep before it activates its rule set. */
export const sesFaultAfterMs = 5 * MINUTE;
/** What SES has not told for so long counts as a fault: throttling is over sooner. */
export const sesUnansweredAfterMs = 30 * MINUTE;
/** The share of the quota of 24 hours from which on a person hears of it, while mail still goes out. */
export const sesQuotaNearly = 0.9;
/** Identities in one call of GetIdentityDkimAttributes. Its sister, which tells their verification, takes as many. */
export const sesIdentitiesPerCall = 100;
/**
 * A job waits so long in its function for its turn at a next hop: as exactly as a queue delays. Others come again
 * later, and no function is kept by those that wait.
 */
export const gateWaitMsMax = SECOND;
/**
 * Where no place is free a function asks after 1, 2, 4 … seconds, and so long at most: what waits comes again as often,
 * and a function that died keeps its place for fourteen minutes.
 */
export const gatePlaceMsMax = 15 * SECOND;
/**
 * Where other functions come between again and again, a reservation at a next hop with a rate has the messages of this
 * time at least, so that each function writes more seldom. Those that it does not use are lost to the rate.
 */
export const gateLeastMs = 100;
/** A job gets a place in line up to this; beyond it its row waits for the sweep. SQS's longest delay is 15 minutes. */
export const gateDelayMsMax = 12 * MINUTE;
/**
 * The sweep fills the line up to this: further than new jobs do, so that what waited longer goes first, by more than
 * the time to its next run, and less far than its next look at a row (15 minutes).
 */
export const sweepLineMs = gateDelayMsMax + 2 * MINUTE;

/** After it takes mail again, nothing is sent to it for so long: until every function has read the board once more. */
export const settleMs = boardEveryMs + 2 * SECOND;
/** Behind an open next hop a row may expire where another message's attempt failed within this time. */
export const freshFailureMs = 30 * MINUTE;
/** So long after a recovery or a resume the sweep looks for rows that need not wait for their schedule. */
export const resumeWithinMs = 4 * HOUR;
/** Jobs in the slow-relay queue, of all next hops together: its few functions need an hour for them at worst. */
export const slowJobsMax = 1_000;
/**
 * A sweep looks again within its run for the answer of such an attempt for so long. A lost one would cost each run of
 * the next fifteen minutes its looks.
 */
export const probeAwaitedMs = MINUTE;
/** Due rows of an open next hop that are looked at, in one sweep, for one that can be its attempt. */
export const probeCandidatesMax = 20;
// ── What waits ──────────────────────────────────────────────────────────────────────────────────────────────────────
/** Pages of the table (1 MB each) in a run, while it looks for held rows that the index does not have. */
export const heldPagesPerRun = 5;
/**
 * The second such pass begins so long after the first one began: by then no function of the version before runs on,
 * which may have held rows behind the first pass.
 */
export const heldSecondPassMs = HOUR;
/** Each further pass begins so long after the last one: a deploy that was rolled back, a table that was restored. */
export const heldPassEveryMs = 7 * DAY;
// ── The network ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What Lambda takes in a function's VpcConfig (Lambda API, VpcConfig). */
export const lambdaSubnetsMax = 16;
export const lambdaSecurityGroupsMax = 5;
/** Zones of a VPC that the stack makes: an account has five Elastic IP addresses in a region (EC2 quotas). */
export const networkZonesMax = 3;
/** Lambda takes a function's interfaces back after weeks without a call; a call every hour prevents it. */
export const keepAliveEveryMs = HOUR;

// ── Orphans ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export const orphanSweepEveryMs = HOUR;
/**
 * An object without a row is an orphan only then: SES, SNS and a busy ingest queue need minutes, an outage of theirs
 * rarely more.
 */
export const orphanAfterMs = HOUR;
/** Mail that was accepted so long after a restore began counts as mail of before: an operator's clock may be wrong. */
export const restoreMarginMs = 5 * MINUTE;
/** Rows that a restore looks up and writes side by side: within the DynamoDB client's 64 sockets. */
export const restoreRowsAtOnce = 16;
/** Items that a restore reads at once: some 200 KB. */
export const restorePage = 200;
/** Content that is gone sooner than this after its acceptance was not removed by the purge (the default's versions). */
export const purgedContentAfterMs = 7 * DAY;
/** Near the fifteen minutes that Lambda gives; a run that is cut off goes on where its bookmarks say. */
export const orphanSweepTimeoutMs = 840 * SECOND;
/** ListObjectsV2 gives so many entries at most. */
export const orphanPage = 1_000;
/**
 * Shards of the spool listed side by side, and objects of each looked up side by side: together the DynamoDB client's
 * 64 sockets.
 */
export const orphanShardsAtOnce = 8;
export const orphanReadsAtOnce = 8;
/**
 * Without a search that has kept up for so long, accepted mail may stand unseen. Three runs: one may fall out
 * unnoticed.
 */
export const orphanSweepOverdueMs = 3 * HOUR;
/**
 * Recipients that an operator may name for an orphan at once: as many as RFC 5321 §4.5.3.1.8 wants a server to take.
 */
export const namedRecipientsMax = 100;

// ── The purge ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Four times a day: so that a day without a pass to the end means several runs that failed, and not one that began a
 * second late.
 */
export const purgeEveryMs = 6 * HOUR;
/** Lambda's longest; a run that is cut off goes on where its bookmark says. */
export const purgeTimeoutMs = 900 * SECOND;
/**
 * Without a pass to the end for this long the spool only grows. An alarm looks back one day at most (CloudWatch,
 * PutMetricAlarm: periods times their length).
 */
export const purgeOverdueMs = DAY;
/** S3: keys of one answer to ListObjectsV2. */
export const purgePage = 1_000;
/** Messages looked at side by side: about a thousand removals a second, far below S3's 3,500 for each prefix. */
export const purgeConcurrency = 32;
/** Messages at which a run may fail and still go on: some damaged rows must not stop it, an outage must. */
export const purgeFailuresMax = 100;
/**
 * SES tries to deliver for 14 hours (its delivery window), and reports take their time: until then a relayed message
 * may still fail.
 */
export const sesFeedbackMs = 14 * HOUR + 2 * DAY;
/** Rows outlive their object by this at least: without rows nobody could say that it may go. Twenty runs may fail. */
export const rowsOutliveObjectMs = 7 * DAY;
/** A delivery, its fallback and its notice have had their lifetimes, and a day more to be settled. */
export const settleMarginMs = DAY;

// ── The digest ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** One a day, for whole days of UTC. */
export const digestEveryMs = DAY;
/** Without one for so long, quarantined mail may end with nobody told. One may fall out unnoticed. */
export const digestOverdueMs = 2 * digestEveryMs;
/** Messages that a digest tells one by one; of the rest it says how many. */
export const digestEntriesMax = 200;
/** It warns of what is discarded within this time: a week, so that who reads it on Mondays is in time. */
export const digestSoonMs = 7 * DAY;
/** Pauses and next hops that the digest lists one by one. A stack has a handful of each. */
export const digestLinesMax = 50;
/** Mail that waits for less is no reason for a digest. */
export const digestLongMs = HOUR;

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** SES takes in up to 40 MB through its S3 action. */
export const messageBytesMax = 40 * MIB;
/** Content that one relay function may hold in work at once; more waits for the first to be done. */
export const batchBytesMax = 64 * MIB;
/**
 * So long an attempt waits for its share of that; then it is put off, with an event, and not only at the function's
 * end.
 */
export const roomWaitMsMax = 240 * SECOND;
/**
 * Content up to this is compared with the MD5 that S3 keeps as its ETag while it is read. Beyond it the digest would
 * cost more CPU than the whole rest of a relay (some 1.5 ms a megabyte); there S3's own checks at rest, TLS and
 * Content-Length stand guard.
 */
export const digestBytesMax = 4 * MIB;
/** One ranged read of a header section. Real ones reach 300 KB; nothing is looked for beyond this. */
export const headerBytesMax = MIB;
/** A Return-Path field longer than this is none that SES wrote (a path has 256 octets, RFC 5321 §4.5.3.1.3). */
export const returnPathFieldBytesMax = 4 * KIB;
/** Of an Authentication-Results field, what is read for its authserv-id: a name of 255 octets behind a long comment. */
export const authservIdBytesMax = 4 * KIB;
/** Of a field's value, what is decoded for people; the rest is of no use to a reader of notices and traces. */
export const fieldTextBytesMax = 8 * KIB;
/**
 * Of a From or Reply-To field, in characters: fifty authors with long names. A field that is longer names nobody more.
 */
export const authorFieldCharsMax = 64 * KIB;
/**
 * Lines in a header section that are no field, kept in fields of their own by SES: more are no accident, and the spool
 * has them all.
 */
export const strayLinesKeptMax = 10;
/** All of an Extract together, in UTF-8: a ledger row stays under 1 KB, DynamoDB's unit of writing. */
export const extractBytesMax = 600;
/** RFC 5321 §4.5.3.1.2. */
export const domainOctetsMax = 255;
/**
 * RFC 5321 §4.5.3.1.1 promises room for 64 and forbids no more ("techniques that impose no limits … should be used").
 * Mailing software's VERP goes beyond 64, SES accepts it, and what was accepted must have a path for its notice.
 */
export const localPartOctetsMax = 255;
/** RFC 5322 §2.1.1, without the CRLF: what a line should have, and what it must not exceed. */
export const lineOctetsWanted = 78;
export const lineOctetsMax = 998;

/**
 * Parts and depth of a message whose lines are mended for SES. Real mail has some dozens, five deep; beyond it nobody's
 * reader agrees.
 */
export const mimePartsMax = 10_000;
export const mimeDepthMax = 30;

// ── Submission ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Recipients of one submission: RFC 5321 §4.5.3.1.8 asks for 100 at least; programs send to some hundreds at once. */
export const submissionRecipientsMax = 1_000;
/**
 * Content times recipients of one submission: each recipient is a delivery of its own, which reads and sends it all.
 * The largest message to 100.
 */
export const submissionFanOutBytesMax = 100 * messageBytesMax;
/** RFC 3461 §4.4 and §4.2, in characters. */
export const envidCharsMax = 100;
export const orcptCharsMax = 500;
/**
 * Of submitted content, how long its header section is waited for, to see what is missing in it; of a longer one
 * nothing is known.
 */
export const submissionHeadBytesMax = 128 * KIB;
/** Content as a client submits it: room is kept for the fields that we put on top (core/submission/added-fields.ts). */
export const submissionBytesMax = messageBytesMax - 8 * KIB;
/** An envelope object: a thousand recipients with their original addresses, and room. */
export const envelopeBytesMax = MIB;
/** First ranged read of submitted content, for its header section; the rest of a longer one is read by a second. */
export const submittedHeadBytes = 64 * KIB;

// Submission as a server (the gateway, sendmail -bs).

/**
 * Outside private ranges, the least bits of a network in which a submitter is known without a login: a /24 is the
 * smallest block that the Internet routes, a /56 what RIPE-690 §4.2 and RFC 6177 §2 have a provider give one site. More
 * would have strangers in it.
 */
export const sourceV4BitsMin = 24;
export const sourceV6BitsMin = 56;

/** Connections at once, and from one address: a mail server opens some tens, a client one or two. */
export const submissionConnectionsMax = 500;
export const submissionConnectionsPerAddressMax = 100;
/**
 * RFC 5321 §4.5.3.2.7: a server waits at least five minutes for the next command, and for the next bytes of content.
 */
export const submissionIdleMs = 300 * SECOND;
/**
 * One message's content from 354 to the final dot: 40 MB at 200 kbit/s. Who is slower holds a connection for others'
 * harm.
 */
export const submissionContentMs = 30 * MINUTE;
/**
 * One line with its parameters: RFC 5321 §4.5.3.1.4 asks for 512, ENVID and ORCPT need 1,000 more, AUTH up to 12,288
 * (RFC 4954 §4).
 */
export const submissionLineBytesMax = 12_288;
/** A failed login is answered after this, and a connection may fail this often. */
export const loginDelayMs = SECOND;
export const loginFailuresPerConnectionMax = 3;
/** Failed logins of one user name from one address, within the window, before its next ones are refused unheard. */
export const loginFailuresPerNameMax = 20;
/**
 * The same of one address, whatever the names: it may be the address of a whole office, so it is higher, and spares
 * names that it knows.
 */
export const loginFailuresPerAddressMax = 100;
export const loginFailureWindowMs = 10 * MINUTE;
/** How long a name that has logged in from an address is known there. */
export const loginKnownMs = DAY;
/** Addresses, and names at addresses, that are remembered. */
export const loginsRememberedMax = 10_000;
/**
 * A login that fits nobody makes us ask for the secrets anew, at most this often: a rotated one shows soon, guessing
 * costs nothing.
 */
export const loginRefreshMs = MINUTE;
/**
 * Content under reception or storage: each message in memory up to the first, then in a file; all together up to the
 * last.
 */
export const submissionHeldBytesMax = 256 * KIB;
export const submissionSpaceBytesMax = 2 * 1024 * MIB;
/**
 * Storing a message, all tries together: within the ten minutes that a client waits for the answer to its final dot.
 */
export const submissionStoreMs = 300 * SECOND;
/** One try makes progress, or is given up after this; and how many there are. */
export const submissionStallMs = 30 * SECOND;
/** To S3 from anywhere on Earth, over a bad line: a lost SYN is sent again after one second, and after three. */
export const submissionConnectMs = 10 * SECOND;
export const submissionTriesMax = 5;
/** The wait before the second try; it doubles. */
export const submissionTryAgainMs = 200;
/** How long a gateway that stops lets transactions end: as long as storing one may take. */
export const submissionFarewellMs = submissionStoreMs;

// ── Loops (DESIGN decision 14) ──────────────────────────────────────────────────────────────────────────────────────

/** Signed passes of our own that a message may bear. Far below the 16 hops at which Lambda cuts recursion off. */
export const ownPassesMax = 4;
/** Postfix, chasquid and Stalwart count to 50; RFC 5321 §6.3 wants "a large rejection threshold". */
export const receivedFieldsMax = 50;
/** Notice marks checked in one message; ours has one. */
export const noticeMarksCheckedMax = 4;
/** Signatures checked in one message, so that a message full of forged passes costs no more. Ours are on top. */
export const passesCheckedMax = 64;

// ── Ledger, trace, notices ──────────────────────────────────────────────────────────────────────────────────────────

/** Attempts whose events stand in the row itself; from the next one on they are items of their own. */
export const attemptsInlineMax = 3;
/** A remote reply as it is kept and quoted, in UTF-16 units; a whole dialogue's worth of lines is not a reply. */
export const replyTextMax = 1_000;
/** A line for people in traces. */
export const detailTextMax = 300;
/** What a trace event keeps of what other hosts of the next hop said in the same attempt, in UTF-16 units. */
export const triedTextMax = 1_000;
/** The original is returned whole up to this, and as its header section alone beyond it (Postfix: 50,000 B). */
export const ndrOriginalBytesMax = 64 * KIB;
/** Of the original's subject, in the notice's subject. */
export const ndrSubjectTextMax = 120;

// ── Reports that come back ──────────────────────────────────────────────────────────────────────────────────────────

/**
 * What is read of a report: what it says stands in front of the original, which senders of reports cut at some 50 KB.
 * With words in HTML, and wrapped in Base64 by a scanner, it still fits.
 */
export const reportBytesMax = 512 * KIB;
/** Body parts looked at, and how deep: a report has three, Exchange's a multipart/alternative in the first. */
export const reportPartsMax = 64;
export const reportDepthMax = 6;
/** Recipients of one report: ours ask for one each, an alias behind them may have some hundreds. */
export const reportRecipientsMax = 500;
/**
 * SRS: characters of the hash (each 6 bits, case lost on the way: some 5), and days for which an address is good;
 * libsrs2 has 4 and 21.
 */
export const srsHashChars = 8;
export const srsDaysMax = 21;
/** RFC 5321 §4.5.3.1.1: beyond it a server may refuse the path, so that a token stands in for it. */
export const srsLocalPartOctetsMax = 64;

// ── SES as a client (docs/aws-contracts.md §2) ───────────────────────────────────────────────────────────────────────

/** SES takes 40 MB after base64, which adds a third; decimal, and with room for the fields that we put in. */
export const sesMessageBytesMax = 29_000_000;
/**
 * Memory held for each byte that is sent by SES: the bytes, their base64 in a request's JSON, and that request's own
 * bytes.
 */
export const sesHeldPerByte = 2.4;
/** One call: 40 MB leave a function in seconds, and SES answers in less than one; far below the lease. */
export const sesSendTimeoutMs = 60 * SECOND;
/** How long SES tries to deliver what it took: the longest that a configuration set allows. Then it says Bounce. */
export const sesDeliveryMsMax = 14 * HOUR;
/** Complaints within an hour that call for a person: one is somebody's mistake, several have a source. */
export const complaintsPerHourAlarm = 5;
/** SendBounce is for mail received less than 24 h ago; a quarter of an hour less, for our clocks and for waiting. */
export const bounceAgeMsMax = 24 * HOUR - 15 * MINUTE;
/** SendBounce: one call a second. */
export const bounceEveryMs = SECOND;
/** The text that we give to SendBounce, in characters: some sentences. */
export const bounceExplanationMax = 1_500;

// Notices where nothing vouches for the reverse-path (docs/decisions/backscatter.md). Who is beyond a limit is not
// told.

/** Counts of notices are of one hour, and may be forgotten after two; a message's own is kept as long as its rows. */
export const noticeCountMs = HOUR;
/**
 * Of one message: who mistypes does so once or twice, and a forged message to a hundred invented addresses must not
 * become a hundred.
 */
export const noticesPerMessageMax = 5;
/** Of these, such as tell of a delay: they may be left out, an NDR may not, so most of the room is kept for NDRs. */
export const delayNoticesPerMessageMax = 2;
/**
 * To one reverse-path in an hour, sub-addresses (`ann+x`) counted with it: two messages' worth. A domain's hundred must
 * not hit one person.
 */
export const noticesPerAddressMax = 10;
/**
 * What a notice may have in bytes is a fifth of its message where that is enough, so that a message's five never send
 * back more than came in. Of the header section this much may always go, raw or encoded: what names the message to its
 * author.
 */
export const unvouchedHeaderBytesMin = KIB;
/**
 * What SES puts in front of a message (Received, Received-SPF, Authentication-Results, X-SES-*): some 2 KB, and room.
 * It did not come in.
 */
export const sesFieldsBytes = 4 * KIB;
/**
 * In all, in an hour: ten domains' default hundred. An ordinary hour has some tens; SES looks at accounts of which mail
 * comes back. Where `notices.perDomainPerHour` is set above it, that number is the most in all too.
 */
export const noticesInAllMax = 1_000;

// ── SMTP as a client (RFC 5321 §4.5.3.2) ─────────────────────────────────────────────────────────────────────────────

// SMTP as a client: how long each phase may take, in milliseconds (RFC 5321 §4.5.3.2, and 30 s to connect as Postfix
// has it: a host that does not answer the SYN must not eat the attempt of the next host in the list).
export const smtpTimeoutsMs = {
  connect: 30_000,
  /** The TLS handshake has no figure in the RFC; as long as connecting. */
  tls: 30_000,
  greeting: 300_000,
  ehlo: 300_000,
  auth: 300_000,
  mail: 300_000,
  rcpt: 300_000,
  data: 120_000,
  /**
   * The second and later replies to a group of pipelined commands: a server that drops them is then asked again, one by
   * one.
   */
  pipelined: 30_000,
  /** For each block of content to be taken. */
  content: 180_000,
  /** §4.5.3.2.6: long, because giving up here duplicates mail. */
  finalDot: 600_000,
  /**
   * The first answer on a kept connection: no failure when it passes, only a fresh connection (firewalls forget idle
   * ones).
   */
  kept: 20_000,
  /** Answers that can change nothing any more, read away so that the connection stays good. */
  drain: 5_000,
  /** Polite goodbyes are not waited for longer. */
  quit: 1_000,
} as const;
/**
 * A line that is no reply may stand before one. Where none follows it within this, the server speaks no SMTP: it must
 * not hold the attempt for the minutes that a phase may take. After the final dot it may: giving up there duplicates
 * mail.
 */
export const smtpAfterJunkMs = 10_000;
/** Connecting to one address of a host with several, before the next is tried; the last one has `connect`. */
export const smtpAddressAttemptMs = 5_000;
/** Addresses of one name that an attempt connects to. */
export const smtpAddressesMax = 8;
/** A name that is not resolved by then may be on the next attempt (resolv.conf: two rounds of 5 s). */
export const smtpLookupMs = 10_000;
/**
 * Hosts that others stand behind have this together until they ask for the content, in milliseconds, each an equal
 * share of what is left. The last one has RFC 5321's limits, and time for the final dot's ten minutes.
 */
export const smtpOpeningMs = 100_000;
export const smtpTurnMsMin = 100;
/** A host that failed is asked last for this long, in milliseconds (Postfix: minimal_backoff_time, 300 s). */
export const smtpAsideMs = 300_000;

/**
 * One line of a reply, in bytes; RFC 5321 §4.5.3.1.5 says 512, real servers send more. The rest of the line is dropped.
 */
export const smtpReplyLineBytesMax = 4_096;
/**
 * What is kept of a whole reply, in bytes: memory must not follow what a server sends. The rest is read and dropped,
 * and the code stands.
 */
export const smtpReplyBytesMax = 65_536;
/** A reply that has not ended by then, in bytes, ends there with the code it began with, and its connection with it. */
export const smtpReplyEndlessBytes = 1_048_576;
/** Lines that are no reply, in bytes, between two replies, before the connection counts as garbage. */
export const smtpJunkBytesMax = 65_536;
/**
 * An AUTH command with its initial response, in octets with CRLF (RFC 4954 §4): a longer response waits for the
 * server's 334.
 */
export const smtpAuthLineOctetsMax = 512;

/** A token endpoint's whole answer, in milliseconds: it is asked before the connection, and the attempt waits. */
export const tokenRequestMs = 10_000;
/** What is read of its answer, in bytes: a token has a few thousand. */
export const tokenAnswerBytesMax = 65_536;
/** A token is not used in its last minute, in milliseconds, nor in the last half of a shorter life. */
export const tokenMarginMs = MINUTE;
/** RFC 6749 §5.1 recommends expires_in and does not demand it; a token without is used for so long. */
export const tokenLifetimeIfUntoldMs = 5 * MINUTE;
/** An endpoint that refused is not asked again for so long by one function, in milliseconds; one that failed sooner. */
export const tokenRefusedForMs = 30 * SECOND;
export const tokenUnavailableForMs = 5 * SECOND;
/** At most so long it may ask us to stay away (Retry-After). */
export const tokenRetryAfterMsMax = 5 * MINUTE;
/** After a fresh token was refused as well, no second one is asked for within an attempt for so long. */
export const tokenDoubtedForMs = 5 * MINUTE;
/** RFC 7523 §3 wants a short life; Google takes an hour at most. */
export const assertionLifetimeMs = 5 * MINUTE;
/** Days before a client certificate's end at which the alarm calls: time to have one issued. */
export const certificateDaysLeftAlarm = 21;
/** Pipelined commands, in bytes, of one write: an idle connection's socket takes that much at once. */
export const smtpGroupBytesMax = 8_192;
/**
 * A connection that ends or says 421 this long after its last reply to a pipelined group, in milliseconds, waited for
 * what it had dropped.
 */
export const smtpGroupSilenceMs = 5_000;
/** What is kept of a reply's text, in UTF-16 units: a ledger row holds it, and an NDR quotes it. */
export const smtpReplyTextCharsMax = 2_000;

/**
 * A connection that has nothing to do is kept this long, in milliseconds: the next job of a busy queue comes sooner.
 */
export const smtpKeptIdleMs = 15_000;
/** Kept connections are not used past this age, in milliseconds (Postfix: smtp_connection_reuse_time_limit, 300 s). */
export const smtpKeptAgeMs = 300_000;
/** Messages over one connection: servers commonly stop at 100, and a balancer in front of them wants its turn. */
export const smtpKeptMessagesMax = 100;
/** From so many connections in use at once, a message waits a moment for one of them, in milliseconds. */
export const smtpSharedFrom = 4;
export const smtpSharedWaitMs = 1_000;
/** Kept connections outlive an invocation that began so soon after the one before it, in milliseconds. */
export const smtpBusyMs = 2_000;
/** Idle connections kept by one next hop in one execution environment: as many as a batch of ten may use at once. */
export const smtpKeptMax = 10;

/** Bytes of content gathered before they are written: a small message leaves in one packet's worth of calls. */
export const smtpGatherBytes = 65_536;

/**
 * A kept HTTP connection that was idle this long by the wall clock, in milliseconds, is not used again: while Lambda
 * freezes a function, timers stand still and nobody hears the other end close.
 */
export const keptSocketIdleMs = 20_000;

// ── Deploying ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Characters that the trace keeps of the caller of a command. The ARN of a role's session has 161 at most. */
export const callerCharsMax = 256;

/** SES: recipients of one receipt rule, and rules of one rule set. */
export const receiptRecipientsPerRuleMax = 500;
export const receiptRulesMax = 200;
/** Addresses named in receipt rules, over all domains; above it the largest domains are taken whole (DESIGN §5). */
export const receiptAddressesMax = 10_000;
/** SES: verified identities in an account and region. */
export const domainsMax = 10_000;
/**
 * IAM, in characters without white space: what a role's inline policies may have together, what one managed policy may
 * have, and how many of these a role may have.
 */
export const inlinePoliciesCharsMax = 10_240;
export const managedPolicyCharsMax = 6_144;
export const managedPoliciesMax = 10;
/**
 * Of the former, for lists of ARNs that grow with the configuration; what is longer goes into managed policies. The
 * rest of relay's has some 3,500.
 */
export const inlineListsCharsMax = 5_000;
/** What MaximumConcurrency of an event source mapping of SQS may be (Lambda API, ScalingConfig). */
export const mappingConcurrencyMin = 2;
export const mappingConcurrencyMax = 1_000;
/** Functions that a new account runs at once (Lambda quotas). */
export const newAccountConcurrency = 10;
/** What AWS keeps unreserved for all other functions of an account (Lambda, reserved concurrency). */
export const unreservedConcurrencyMin = 100;
/**
 * Calls at once of each mapping where the configuration says nothing. They leave two of a new account's ten: for the
 * sweep, and for what runs by the hour. A mapping with more would receive jobs that it cannot run, and each such
 * receive counts (docs/aws-contracts.md §4.2).
 */
export const concurrencyDefault = { relay: 2, slowRelay: 2, ingest: 2, feedback: 2 } as const;
/** Jobs of one invocation; the byte budget decides how many of them run side by side. */
export const jobsPerBatchMax = 10;
/** SQS stalls silently with 120,000 messages in flight on one queue; the alarm comes before that. */
export const inFlightAlarm = 100_000;
/** A job that waits this long in its queue means that the stage stands still or falls behind. */
export const queueAgeAlarmMs = 30 * MINUTE;
/** How long the alarm on refused calls stands after the last one: a queue gives a job again after six minutes. */
export const callsRefusedStandsMs = 15 * MINUTE;
/** While mail waits for it and it is not paused. */
export const nextHopDownAlarmMinutes = 15;
export const waitingLongAlarmMinutes = 60;
/** Minutes. A message of a few KB has its way through SES, S3, SNS, Lambda and SQS in seconds. */
export const canaryLateAlarmMinutes = 15;
/** The alarm on one canary must be able to stand before the next one comes. */
export const canaryEveryMsMin = 15 * MINUTE;
/** A dead next hop for a week must not fill its mailbox with canaries; one that is late has its alarm long before. */
export const canaryEveryMsMax = 7 * DAY;
/** From its acceptance on. It is late long before; nobody needs it afterwards. */
export const canaryLifetimeMs = HOUR;
/** SES tries for 14 hours to hand it to the MX. What comes later than a day, or before it was sent, is mail. */
export const canaryWindowMs = DAY;
/** Clocks of two functions differ. */
export const canaryClockSkewMs = 5 * MINUTE;
/** A canary has some 3 KB as SES stores it, with what SES adds. */
export const canaryBytesMax = 32 * KIB;
/** Whose arrival the sweep still looks for; two reads each. Which of many is the oldest is known without them. */
export const canariesAwaitedMax = 4;
/** A pause is an operator's act, and easily forgotten. */
export const pausedAlarmHours = 24;
/** Of an hour's outcomes at one next hop, those that are failures (docs/decisions/failure-share.md). */
export const failureShareAlarmPercent = 25;
/** Failures within the hour below which there is no share: a small account must not alarm at a mistyped address. */
export const failureShareFailuresMin = 10;
/** Slots of five minutes, in which outcomes are counted and acceptance is noted. */
export const slotsPerHour = 12;
/** A function adds acceptances to the ledger once in this part of an hour; a failure at once. */
export const outcomesSentEveryParts = 60;
export const hoursPerWeek = 168;
/** How many of an hour's longest gaps may pass without mail (docs/decisions/no-mail.md). */
export const silenceGaps = 3;
/** Slots with mail in four weeks below which nothing is said of silence: one a day. */
export const silenceSlotsMin = 28;
/** Noted slots are kept for 90 days: four weeks before the last message, and two months of a silence that goes on. */
export const acceptedKeptSlots = 90 * 24 * slotsPerHour;
/** Ingest writes down that it finished something, at most this often in each function. */
export const ingestPulseMs = 5 * MINUTE;
/**
 * Messages that have waited for ingest for so long, while it finished nothing, call a person. A message that failed
 * once comes again after six minutes.
 */
export const ingestStandsMs = 10 * MINUTE;
/** Without a finished sweep for this long nothing heals itself. */
export const sweepOverdueMs = 5 * MINUTE;
/**
 * Deliveries that an operator's verb works on side by side: a thousand take some seconds, and the tables and queues
 * feel nothing of it.
 */
export const operateConcurrency = 8;
/** Lines are for the days in which somebody looks; the ledger keeps the trace. */
export const logRetentionDays = 30;

// A month of the programme through the types that openapi-typescript made of the contract, and openapi-fetch.
//
// node month.js URL open|close     on the 31st of January, and on the morning after
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

type Schemas = components['schemas'];
type Entry = Schemas['Entry'];

const [url, part] = process.argv.slice(2) as [string, 'open' | 'close'];
const sales = 23;
let checked = 0;

function same(actual: unknown, expected: unknown, what: string): void {
  checked += 1;
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }
}

const role = (name: string) =>
  createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer local-${name}` } });
const [grocery, drugstore, finance, members] = [role('grocery'), role('drugstore'), role('finance'), role('members')];

interface Answer<Data, Problem> {
  data?: Data;
  error?: Problem;
  response: Response;
}

/** What was asked for, if the answer has this status. */
function good<Data, Problem>(answer: Answer<Data, Problem>, status: number, what: string): Data {
  same(answer.response.status, status, `${what} (${JSON.stringify(answer.error)})`);
  if (answer.data === undefined) throw new Error(`${what}: there is no body`);
  return answer.data;
}

/** The problem of that type, of those that the operation may answer. */
function problem<Data, Problem, Type extends Schemas['ProblemType']>(
  answer: Answer<Data, Problem>,
  status: number,
  type: Type & Extract<Problem, { type: unknown }>['type'],
): Extract<Problem, { type: Type | string }> {
  same(answer.response.status, status, type);
  same(answer.response.headers.get('content-type'), 'application/problem+json', type);
  const error = answer.error as Extract<Problem, { type: Type | string }> | undefined;
  same(error?.type, type, type);
  return error!;
}

const at = (day: number) => `2017-01-${String(day).padStart(2, '0')}T10:00:00+08:00`;

const sale = (number: number, amount = '25.00') =>
  grocery.PUT('/v1/lines/{line}/accruals/{reference}', {
    params: { path: { line: 'grocery', reference: `A-${number}` } },
    body: { member: 'm1', occurred_at: at(number), amount },
  });

/** All entries, page by page. */
async function pages(
  page: (cursor: string | undefined) => Promise<Answer<Schemas['Entries'], unknown>>,
  limit: number,
): Promise<Entry[]> {
  const found: Entry[] = [];
  let cursor: string | undefined;
  do {
    const answer = good(await page(cursor), 200, 'a page');
    same(answer.entries.length <= limit, true, 'entries of a page');
    found.push(...answer.entries);
    cursor = answer.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

/** In words of its own for each kind: the compiler knows by `kind` which fields there are. */
function told(entry: Entry): string {
  switch (entry.kind) {
    case 'accrual':
      return `sale of ${entry.amount}`;
    case 'redemption':
      return `redemption worth ${entry.value}`;
    case 'reversal':
      return 'value' in entry ? `return worth ${entry.value}` : `refund of ${entry.amount}`;
    case 'adjustment':
      return `gift of ${entry.points}`;
  }
}

async function openMonth(): Promise<void> {
  const first = good(await sale(1), 201, 'a sale');
  same([first.points, first.balance, first.period], [25, 25, '2017-01'], 'a sale');
  for (let number = 2; number <= sales; number += 1) {
    const answer = await sale(number);
    same(answer.response.headers.get('Idempotent-Replayed'), null, 'a first answer as a replay');
    same(good(answer, 201, 'a sale').balance, 25 * number, 'the balance after a sale');
  }

  const again = await sale(1);
  same(good(again, 200, 'a replay'), first, 'a replay');
  same(again.response.headers.get('Idempotent-Replayed'), 'true', 'Idempotent-Replayed');
  same(problem(await sale(1, '26.00'), 409, 'urn:interline:problem:conflict').field, 'amount', 'other content');
  same(problem(await sale(2, '1.001'), 400, 'urn:interline:problem:invalid-field').field, 'amount', 'three decimals');

  const ask = async (wanted: Partial<Schemas['QuoteBody']>) =>
    good(await members.POST('/v1/quotes', { body: { member: 'm1', line: 'drugstore', ...wanted } }), 200, 'a quote');
  const most = await ask({});
  same([most.balance, most.most, most.points, most.reason], [25 * sales, 25 * sales, 25 * sales, null], 'the most');
  same((await ask({ value: '2.00' })).points, 200, 'a quote by value');
  const none = await ask({ points: 1000 });
  same([none.points, none.reason?.code], [0, 'insufficient-points'], 'a quote of too much');

  const redeem = (reference: string, points: number) =>
    drugstore.PUT('/v1/lines/{line}/redemptions/{reference}', {
      params: { path: { line: 'drugstore', reference } },
      body: { member: 'm1', occurred_at: at(25), points },
    });
  const taken = good(await redeem('R-1', 200), 201, 'a redemption');
  same([taken.value, taken.balance, taken.bill], ['2.00', 25 * sales - 200, undefined], 'a redemption');
  same([taken.indicative_settlement?.obligations, taken.slices], [[], []], 'what a line is told of others');
  const refused = problem(await redeem('R-2', 1000), 422, 'urn:interline:problem:insufficient-points');
  same(refused.field, 'points', 'too many points');

  const events = await grocery.PUT('/v1/lines/{line}/events', {
    params: { path: { line: 'grocery' } },
    body: {
      events: [
        { kind: 'accrual', reference: 'A-1', member: 'm1', occurred_at: at(1), amount: '25.00' },
        { kind: 'redemption', reference: 'R-9', member: 'm1', occurred_at: at(26), points: 9000 },
      ],
    },
  });
  const statuses = good(events, 200, 'several events').answers.map((one) => one.status);
  same(statuses, [200, 422], 'a replay and a refusal in one call');

  type Taken = Pick<Schemas['ReversalBody'], 'reverses' | 'points' | 'amount'>;
  const reverse = (client: typeof grocery, line: string, reference: string, body: Taken) =>
    client.PUT('/v1/lines/{line}/reversals/{reference}', {
      params: { path: { line, reference } },
      body: { member: 'm1', occurred_at: at(26), ...body },
    });
  const back = good(
    await reverse(drugstore, 'drugstore', 'V-1', { reverses: { kind: 'redemption', reference: 'R-1' }, points: 50 }),
    201,
    'points back',
  );
  same([back.points, 'value' in back && back.value, back.reverses.kind], [50, '0.50', 'redemption'], 'points back');
  const refund = good(
    await reverse(grocery, 'grocery', 'V-2', { reverses: { kind: 'accrual', reference: 'A-2', on: '2017-01-02' } }),
    201,
    'a refund',
  );
  const balance = 25 * sales - 200 + 50 - 25;
  same(['amount' in refund && refund.amount, refund.points, refund.balance], ['25.00', 25, balance], 'a refund');

  const shown = good(
    await finance.GET('/v1/lines/{line}/accruals/{reference}', {
      params: { path: { line: 'grocery', reference: 'A-2' }, query: { on: '2017-01-02' } },
    }),
    200,
    'a sale shown',
  );
  same([shown.kind, shown.reversed.amount, shown.left.points], ['accrual', '25.00', 0], 'what is left of a sale');
  const rest = good(
    await drugstore.GET('/v1/lines/{line}/redemptions/{reference}', {
      params: { path: { line: 'drugstore', reference: 'R-1' } },
    }),
    200,
    'a redemption shown',
  );
  same([rest.reversed.points, rest.left.points], [50, 150], 'what is left of a redemption');
  const reversal = await grocery.GET('/v1/lines/{line}/reversals/{reference}', {
    params: { path: { line: 'grocery', reference: 'V-2' } },
  });
  same(good(reversal, 200, 'a reversal shown'), refund, 'a reversal shown');

  const ofMember = (client: typeof members, member: string, headers: Record<string, string> = {}) =>
    client.GET('/v1/members/{member}', { params: { path: { member } }, headers });
  const asked = await ofMember(members, 'm1');
  const member = good(asked, 200, 'the member');
  same([member.balance, member.debts], [balance, []], 'the member');
  same(member.lots.reduce((sum, lot) => sum + lot.points, 0), balance, 'the lots');
  const unchanged = await ofMember(members, 'm1', { 'If-None-Match': asked.response.headers.get('ETag')! });
  same(unchanged.response.status, 304, 'a member who is as before');
  problem(await ofMember(members, 'nobody'), 404, 'urn:interline:problem:not-found');
  problem(await ofMember(grocery, 'm1'), 403, 'urn:interline:problem:forbidden');
  const stranger = await ofMember(role('nobody'), 'm1');
  same([stranger.response.status, stranger.error], [403, { message: 'Forbidden' }], 'a token that is none');

  const statement = await pages(
    (cursor) =>
      members.GET('/v1/members/{member}/entries', { params: { path: { member: 'm1' }, query: { limit: 4, cursor } } }),
    4,
  );
  const kinds = new Map<string, number>();
  for (const entry of statement) kinds.set(told(entry), (kinds.get(told(entry)) ?? 0) + 1);
  same(
    Object.fromEntries(kinds),
    { 'refund of 25.00': 1, 'return worth 0.50': 1, 'redemption worth 2.00': 1, 'sale of 25.00': sales },
    'what the statement has',
  );
  const names = new Set(statement.map((one) => `${one.line} ${one.kind} ${one.reference}`));
  same(names.size, sales + 3, 'entries told twice');
  const times = statement.map((entry) => Date.parse(entry.occurred_at));
  same(times, times.toSorted((one, other) => other - one), 'the statement, newest first');
  const ofKind = await pages(
    (cursor) =>
      finance.GET('/v1/members/{member}/entries', {
        params: { path: { member: 'm1' }, query: { line: 'grocery', kind: 'accrual', limit: 10, cursor } },
      }),
    10,
  );
  same(ofKind.map((entry) => entry.kind), Array(sales).fill('accrual'), 'the sales of the statement');
  const own = await pages(
    (cursor) =>
      grocery.GET('/v1/lines/{line}/entries', {
        params: { path: { line: 'grocery' }, query: { period: '2017-01', limit: 5, cursor } },
      }),
    5,
  );
  const references = Array.from({ length: sales }, (_, number) => `A-${number + 1}`);
  same(own.map((entry) => entry.reference).toSorted(), [...references, 'V-2'].toSorted(), "the line's events");
  const nowhere = await members.GET('/v1/members/{member}/entries', {
    params: { path: { member: 'm1' }, query: { cursor: 'x' } },
  });
  problem(nowhere, 400, 'urn:interline:problem:invalid-cursor');
  problem(await startClose('final'), 409, 'urn:interline:problem:too-early');
}

const january = { path: { period: '2017-01' } };
const startClose = (kind: Schemas['RunKind']) =>
  finance.POST('/v1/periods/{period}/close', { params: january, body: { kind } });

async function run(kind: Schemas['RunKind']): Promise<Schemas['PeriodDetail']> {
  const answer = await startClose(kind);
  const started = good(answer, 202, 'a close');
  same([started.kind, answer.response.headers.get('Location')], [kind, '/v1/periods/2017-01'], 'a close');
  for (let turn = 0; turn < 600; turn += 1) {
    const period = good(await finance.GET('/v1/periods/{period}', { params: january }), 200, 'the period');
    if (period.under_way?.failed != null) throw new Error(`the run failed: ${period.under_way.failed}`);
    const done = period[kind];
    if (done !== null) {
      same(done.run, started.run, 'the run of the period');
      return period;
    }
    await pause(100);
  }
  throw new Error('the run has no end');
}

async function closeMonth(): Promise<void> {
  const ask = (client: typeof finance, line: string) =>
    client.GET('/v1/lines/{line}/position', { params: { path: { line }, query: { period: '2017-01' } } });
  const position = async (client: typeof finance, line: string) =>
    good(await ask(client, line), 200, `the position of ${line}`);

  problem(await ask(grocery, 'grocery'), 404, 'urn:interline:problem:not-found');
  same((await run('trial')).status, 'open', 'the period after a trial');
  const trial = await position(drugstore, 'drugstore');
  same(trial.run.kind, 'trial', 'the run of the position');

  const closed = await run('final');
  same([closed.status, closed.checklist?.passed], ['final', true], 'the period after its close');
  const [mine, theirs] = [await position(drugstore, 'drugstore'), await position(finance, 'grocery')];
  same([mine.run.kind, mine.net], ['final', trial.net], 'the position after the close');
  const pairs = (list: Schemas['Pairs']) =>
    list.map((pair) => [pair.counterparty, pair.points, pair.events, pair.amount]);
  // The rest of what grocery owes is the platform's share.
  same(pairs(theirs.owes).filter(([line]) => line !== 'group').length, 1, 'whom grocery owes');
  same(pairs(mine.is_owed), [], 'what a line is told of pairs');
  const whole = await position(finance, 'drugstore');
  same(pairs(whole.is_owed), [['grocery', 150, 2, mine.gross_receivable]], 'who owes drugstore');
  problem(await startClose('final'), 409, 'urn:interline:problem:period-final');
  const { periods } = good(await finance.GET('/v1/periods'), 200, 'the periods');
  same(periods.map((one) => [one.period, one.status]), [['2017-01', 'final'], ['2017-02', 'open']], 'the periods');

  const reports = good(await finance.GET('/v1/periods/{period}/reports', { params: january }), 200, 'the reports');
  same(reports.kind, 'final', 'the run of the reports');
  const download = async (link: string) => {
    const answer = await fetch(link);
    same(answer.status, 200, link);
    const content = Buffer.from(await answer.arrayBuffer());
    return { length: content.length, sha256: createHash('sha256').update(content).digest('hex') };
  };
  for (const file of reports.files) {
    const got = await download(file.url);
    same(got.sha256, file.sha256, `SHA-256 of ${file.path}`);
    if (file.bytes !== undefined) same(got.length, file.bytes, `bytes of ${file.path}`);
  }
  const report = (file: string) =>
    finance.GET('/v1/periods/{period}/reports/{file}', {
      params: { path: { period: '2017-01', file } },
      // The link is followed without the token.
      redirect: 'manual',
    });
  const redirect = await report('payments.csv');
  same(redirect.response.status, 302, 'a report');
  const listed = reports.files.find((file) => file.path === 'payments.csv');
  const behind = await download(redirect.response.headers.get('Location')!);
  same(behind.sha256, listed?.sha256, 'SHA-256 behind the redirect');
  problem(await report('none.csv'), 404, 'urn:interline:problem:not-found');

  const late = good(await sale(sales + 1), 201, 'a late sale');
  same([late.period, late.origin_period], ['2017-02', '2017-01'], 'a late sale');
}

await (part === 'open' ? openMonth() : closeMonth());
console.log(`  ${part}: ${checked} checks`);

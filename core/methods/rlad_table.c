/* Tables, counts, sweeps. See rlad_table.h. */
#include "core/methods/rlad_table.h"

#include <math.h>
#include <string.h>

static const struct cfg_choice algorithms[] = {
    {"model_based", RLAD_MODEL_BASED, "learns transitions and costs, then sweeps"},
    {"q_learning", RLAD_Q_LEARNING, "from each transition once"},
    {"dyna_q", RLAD_DYNA_Q, "Q-learning, and from remembered transitions"},
    {"dyna_q_2", RLAD_DYNA_Q_2, "the same from the latest ones, more and more often"},
    {NULL, 0, NULL},
};
static const struct cfg_choice explorations[] = {
    {"constant", RLAD_CONSTANT, "the share is epsilon"},
    {"decaying", RLAD_DECAYING, "1 / t at decision t, as both versions of Dyna-Q in their code"},
    {NULL, 0, NULL},
};
static const struct cfg_choice transitions[] = {
    {"utilisation", RLAD_UTILISATION, "P(u' | u), as published"},
    {"action", RLAD_ACTION, "P(u' | replicas, u, change)"},
    {NULL, 0, NULL},
};
static const struct cfg_choice rewards[] = {
    {"own", RLAD_OWN, "the published cost of each service"},
    {"karma", RLAD_KARMA, "the common reward of section plant"},
    {NULL, 0, NULL},
};

#define S struct rlad_cfg
const struct cfg_field rlad_fields[] = {
    CFG_ENUM(S, algorithm, "model_based", algorithms, CFG_RESULT, "how it learns"),
    CFG_ENUM(S, reward, "own", rewards, CFG_RESULT, "what it is paid by"),
    CFG_DOUBLE(S, resources, "0.09", 0, 1000, "", CFG_RESULT,
               "reward own: price of all replicas that a service may have"),
    CFG_DOUBLE(S, lateness, "0.9", 0, 1000, "", CFG_RESULT,
               "reward own: price of a decision period with a response time that is too long"),
    CFG_ENUM(S, transitions, "utilisation", transitions, CFG_RESULT,
             "model-based: on what the next utilisation depends"),
    CFG_DOUBLE(S, alpha, "0.1", 1e-6, 1, "", CFG_RESULT, "weight of a new observation"),
    CFG_DOUBLE(S, gamma, "0.99", 0, 0.9999, "", CFG_RESULT, "discount of a decision"),
    CFG_INT(S, sweeps, "2", 1, 1000, "", CFG_RESULT,
            "model-based: over all states, for each decision of a rollout"),
    CFG_DOUBLE(S, epsilon, "0.1", 0, 1, "", CFG_RESULT,
               "Q-learning, Dyna-Q: share of random choices in training"),
    CFG_ENUM(S, exploration, "constant", explorations, CFG_RESULT | CFG_LATER,
             "Q-learning, Dyna-Q: does this share stay?"),
    CFG_INT(S, replays, "25", 0, 10000, "", CFG_RESULT,
            "dyna_q: remembered transitions for each new one"),
    CFG_BOOL(S, successor_quirk, "false", CFG_RESULT,
             "Dyna-Q stores the successor as the origin, too, as the published code does"),
    CFG_INT(S, memory, "100", 1, 1000000, "", CFG_RESULT | CFG_LATER,
            "dyna_q_2: pairs of state and choice that each agent remembers, the latest ones"),
    CFG_DOUBLE(S, replay_percent, "10", 0, 100, "%", CFG_RESULT | CFG_LATER,
               "dyna_q_2: remembered transitions for each new one, of all so far, at most memory"),
    CFG_END,
};
#undef S

/* ---- states ---- */

/* The nearest of 0, 0.1, ... 1: floor(10 u + 1/2). */
int rlad_bin(double utilisation)
{
    if (!(utilisation > 0.0)) {
        return 0;
    }
    return utilisation >= 1.0 ? RLAD_BINS - 1 : (int)(utilisation * (RLAD_BINS - 1) + 0.5);
}

int rlad_state(const struct rlad_service *s, int replicas, int bin)
{
    const int k = replicas < s->least ? s->least : replicas > s->most ? s->most : replicas;
    CHECK(bin >= 0 && bin < RLAD_BINS);
    return (k - s->least) * RLAD_BINS + bin;
}

static int replicas_of(const struct rlad_service *s, int state)
{
    return s->least + state / RLAD_BINS;
}

bool rlad_open(const struct rlad_service *s, int state, int c)
{
    const int k = replicas_of(s, state) + c - RLAD_NO_CHANGE;
    return k >= s->least && k <= s->most;
}

double rlad_known_cost(const struct rlad_service *s, int state)
{
    return s->replica_cost * replicas_of(s, state);
}

int rlad_greedy(const float *q, uint32_t mask)
{
    static const int order[RLAD_CHOICES] = {RLAD_NO_CHANGE, 0, 2};
    int best = -1;
    for (int i = 0; i < RLAD_CHOICES; i++) {
        const int c = order[i];
        if (((mask >> c) & 1U) != 0 && (best < 0 || q[c] < q[best])) {
            best = c;
        }
    }
    CHECK(best >= 0);
    return best;
}

/* min over the open choices; no change is always open. */
static double least_q(const struct rlad *r, const struct rlad_service *s, int state)
{
    const double *q = r->q + rlad_pair(s, state, 0);
    double least = q[RLAD_NO_CHANGE];
    for (int c = 0; c < RLAD_CHOICES; c++) {
        if (rlad_open(s, state, c) && q[c] < least) {
            least = q[c];
        }
    }
    return least;
}

/* ---- what is learned ---- */

static bool is_model_based(const struct rlad *r)
{
    return r->cfg->algorithm == RLAD_MODEL_BASED;
}

static bool forgets(const struct rlad *r)
{
    return r->cfg->algorithm == RLAD_DYNA_Q_2;
}

static bool remembers(const struct rlad *r)
{
    return r->cfg->algorithm == RLAD_DYNA_Q || forgets(r);
}

enum err rlad_init(struct rlad *r, struct arena *arena, const struct rlad_cfg *cfg,
                   const struct rlad_service *services, int n_services)
{
    *r = (struct rlad){.cfg = cfg,
                       .n_services = n_services,
                       .services = ARENA_NEW(arena, n_services, struct rlad_service)};
    TRY(arena_error(arena));
    for (int i = 0; i < n_services; i++) {
        r->services[i] = services[i];
        r->services[i].first = r->n_states;
        r->n_states += rlad_n_states(&services[i]);
    }
    r->n_pairs = (size_t)r->n_states * RLAD_CHOICES;
    if (is_model_based(r)) {
        const size_t rows =
            cfg->transitions == RLAD_ACTION ? r->n_pairs : (size_t)n_services * RLAD_BINS;
        r->n_counts = rows * RLAD_BINS;
    }
    r->probability = ARENA_NEW(arena, r->n_counts, double);
    r->value = ARENA_NEW(arena, r->n_states, double);
    r->order = ARENA_NEW(arena, r->n_states, int);
    return arena_error(arena);
}

size_t rlad_doubles(const struct rlad *r)
{
    const size_t n_states = (size_t)r->n_states;
    size_t n = r->n_pairs + n_states;
    n += is_model_based(r) ? n_states + r->n_counts : 0;
    n += remembers(r) ? 3 * r->n_pairs + (size_t)r->n_services : 0;
    return n + (forgets(r) ? (size_t)r->n_services : 0);
}

void rlad_bind(struct rlad *r, double *learned)
{
    r->q = learned;
    r->visits = r->q + r->n_pairs;
    double *more = r->visits + r->n_states;
    if (is_model_based(r)) {
        r->unknown = more;
        r->counts = r->unknown + r->n_states;
    }
    if (remembers(r)) {
        r->known = more;
        r->successor = r->known + r->n_pairs;
        r->pair_cost = r->successor + r->n_pairs;
        r->n_known = r->pair_cost + r->n_pairs;
        r->n_learned = forgets(r) ? r->n_known + r->n_services : NULL;
    }
}

/* Row of the counters that a pair's transitions are counted in. */
static size_t row_of(const struct rlad *r, int service, int state, int c)
{
    if (r->cfg->transitions == RLAD_ACTION) {
        return rlad_pair(&r->services[service], state, c) * RLAD_BINS;
    }
    return (size_t)(service * RLAD_BINS + state % RLAD_BINS) * RLAD_BINS;
}

/* The utilisation if the load stays: it is shared by the replicas that the choice makes,
 *
 *     k u = k' u'
 */
static int bin_of_same_load(const struct rlad_service *s, int state, int c)
{
    const int k = replicas_of(s, state), next = k + c - RLAD_NO_CHANGE;
    return rlad_bin((double)(state % RLAD_BINS) * k / (next * (RLAD_BINS - 1.0)));
}

static void clear_counts(struct rlad *r)
{
    for (int i = 0; i < r->n_services; i++) {
        const struct rlad_service *s = &r->services[i];
        for (int x = 0; x < rlad_n_states(s) * RLAD_CHOICES; x++) {
            const int state = x / RLAD_CHOICES, c = x % RLAD_CHOICES;
            if (r->cfg->transitions == RLAD_UTILISATION) {
                r->counts[row_of(r, i, state, c) + (size_t)(state % RLAD_BINS)] = 1.0;
            } else if (rlad_open(s, state, c)) {
                r->counts[row_of(r, i, state, c) + (size_t)bin_of_same_load(s, state, c)] = 1.0;
            }
        }
    }
}

void rlad_clear(struct rlad *r)
{
    memset(r->q, 0, rlad_doubles(r) * sizeof *r->q);
    if (is_model_based(r)) {
        clear_counts(r);
    }
}

/* ---- model-based ---- */

/* counts | visits of states | sums of unknown costs */
size_t rlad_record_doubles(const struct rlad *r)
{
    return r->n_counts + 2 * (size_t)r->n_states;
}

void rlad_record(const struct rlad *r, double *record, const struct rlad_step *s)
{
    const size_t next = (size_t)(r->services[s->service].first + s->next);
    record[row_of(r, s->service, s->state, s->choice) + (size_t)(s->next % RLAD_BINS)] += 1.0;
    record[r->n_counts + next] += 1.0;
    record[r->n_counts + (size_t)r->n_states + next] += s->unknown;
}

/* x^n in the order of the bits of n, so it is the same everywhere. */
static double power(double x, double n)
{
    double result = 1.0;
    for (uint64_t bits = (uint64_t)n; bits > 0; bits >>= 1, x *= x) {
        result *= (bits & 1) != 0 ? x : 1.0;
    }
    return result;
}

/* States with fewer replicas and more utilisation are not cheaper than this one, those with more
 * replicas and less utilisation not dearer.
 *
 * Afterwards the whole table is monotone, if it was before but for `state`. Write i >= j if i has
 * at most the replicas and at least the utilisation of j. States i >= state become max(C_i, c),
 * those below min(C_i, c). Let i >= j. If j is raised, so is i, by transitivity, and max keeps the
 * order; if i is lowered, so is j, and min keeps it; raising i alone or lowering j alone widens it.
 * The table starts with zeros, so it is monotone always. */
static void make_monotone(double *unknown, int n_states, int state)
{
    const double c = unknown[state];
    const int k = state / RLAD_BINS, u = state % RLAD_BINS;
    for (int i = 0; i < n_states; i++) {
        const int ki = i / RLAD_BINS, ui = i % RLAD_BINS;
        if (ki <= k && ui >= u && unknown[i] < c) {
            unknown[i] = c;
        } else if (ki >= k && ui <= u && unknown[i] > c) {
            unknown[i] = c;
        }
    }
}

/* order: the states that were visited, in ascending order of visits, of equals that of their
 * numbers (insertion: equal ones never pass each other). Returns how many. */
static int sort_by_visits(int *order, const double *visits, int n_states)
{
    int n = 0;
    for (int i = 0; i < n_states; i++) {
        if (visits[i] <= 0.0) {
            continue;
        }
        int at = n++;
        for (; at > 0 && visits[order[at - 1]] > visits[i]; at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    return n;
}

/* One observation moves C by alpha towards c: the error C - c shrinks by 1 - alpha. After n of them
 *
 *     C - c  ->  (1 - alpha)^n (C - c),        that is  C += (1 - (1 - alpha)^n) (c - C)
 *
 * Here c is the mean of the n observations. The publication takes them one by one; their order
 * would be that of tiles and ranks. */
static void learn_unknown(struct rlad *r, const struct rlad_service *s, const double *visits,
                          const double *sums)
{
    double *unknown = r->unknown + s->first;
    const int n_states = rlad_n_states(s);
    const int n = sort_by_visits(r->order, visits, n_states);
    for (int i = 0; i < n; i++) {
        const int state = r->order[i];
        const double share = 1.0 - power(1.0 - r->cfg->alpha, visits[state]);
        unknown[state] += share * (sums[state] / visits[state] - unknown[state]);
        make_monotone(unknown, n_states, state);
    }
}

/* Shares of the counts of a row: the most likely transition probabilities. A row that nothing was
 * counted in is 0; only pairs that cannot be chosen have one. */
static void normalise(double *probability, const double *counts, size_t n_rows)
{
    for (size_t row = 0; row < n_rows; row++) {
        double sum = 0.0;
        for (int u = 0; u < RLAD_BINS; u++) {
            sum += counts[row * RLAD_BINS + (size_t)u];
        }
        for (int u = 0; u < RLAD_BINS; u++) {
            const size_t at = row * RLAD_BINS + (size_t)u;
            probability[at] = sum > 0.0 ? counts[at] / sum : 0.0;
        }
    }
}

/* One sweep of value iteration. value[s'] is the cost from s' on: the unknown cost of s' and the
 * discounted least Q there. The choice decides k', chance decides u':
 *
 *     Q(s, a) = known(k') + sum_u' P(u') value[(k', u')]
 *
 * While P and C stay, a sweep is a contraction by gamma in the maximum norm, so Q converges at this
 * rate. All values stand before the first Q is written: a sweep does not depend on the order of
 * states. */
static void sweep(struct rlad *r, int service)
{
    const struct rlad_service *s = &r->services[service];
    const double *unknown = r->unknown + s->first;
    const int n_states = rlad_n_states(s);
    for (int i = 0; i < n_states; i++) {
        r->value[i] = unknown[i] + r->cfg->gamma * least_q(r, s, i);
    }
    for (int i = 0; i < n_states; i++) {
        for (int c = 0; c < RLAD_CHOICES; c++) {
            if (!rlad_open(s, i, c)) {
                continue;
            }
            const int there = (i / RLAD_BINS + c - RLAD_NO_CHANGE) * RLAD_BINS;
            const double *p = r->probability + row_of(r, service, i, c);
            double sum = rlad_known_cost(s, there);
            for (int u = 0; u < RLAD_BINS; u++) {
                sum += p[u] * r->value[there + u];
            }
            r->q[rlad_pair(s, i, c)] = sum;
        }
    }
}

void rlad_learn(struct rlad *r, const double *record, int sweeps)
{
    const double *visits = record + r->n_counts, *sums = visits + r->n_states;
    for (size_t i = 0; i < r->n_counts; i++) {
        r->counts[i] += record[i];
    }
    normalise(r->probability, r->counts, r->n_counts / RLAD_BINS);
    for (int i = 0; i < r->n_states; i++) {
        r->visits[i] += visits[i];
    }
    for (int i = 0; i < r->n_services; i++) {
        const struct rlad_service *s = &r->services[i];
        learn_unknown(r, s, visits + s->first, sums + s->first);
        for (int k = 0; k < sweeps; k++) {
            sweep(r, i);
        }
    }
}

/* ---- Q-learning ---- */

/* Q-learning (C. J. C. H. Watkins 1989): towards the cost of the step and the least Q of the state
 * it led to, whatever choice was made there. */
static void move_q(struct rlad *r, const struct rlad_service *s, size_t pair, int next, double cost)
{
    const double target = cost + r->cfg->gamma * least_q(r, s, next);
    r->q[pair] += r->cfg->alpha * (target - r->q[pair]);
}

/* Known pairs of a service stand from its first pair on, the oldest first. */
static double *known_of(const struct rlad *r, int service)
{
    return r->known + rlad_pair(&r->services[service], 0, 0);
}

/* Takes entry i out of the known pairs of a service; the younger ones move up. */
static void forget(struct rlad *r, int service, int i)
{
    double *known = known_of(r, service), *n = &r->n_known[service];
    r->successor[(size_t)known[i]] = 0.0;
    memmove(known + i, known + i + 1, ((size_t)*n - (size_t)i - 1) * sizeof *known);
    *n -= 1.0;
}

/* Before `pair` becomes the youngest: its old entry goes, or the oldest of a full memory. So a
 * memory holds the `memory` pairs that occurred last, each once. */
static void make_room(struct rlad *r, int service, size_t pair)
{
    const double *known = known_of(r, service);
    const int n = (int)r->n_known[service];
    if (r->successor[pair] <= 0.0) {
        if (n >= r->cfg->memory) {
            forget(r, service, 0);
        }
        return;
    }
    for (int i = n - 1; i >= 0; i--) {
        if ((size_t)known[i] == pair) {
            forget(r, service, i);
            return;
        }
    }
}

/* What is known of a pair is its last transition. successor is 1 + the state, 0 as long as the pair
 * is not known.
 *
 * The published code stores (s', a) -> s' for the transition (s, a) -> s', because it overwrites s
 * with s' before. The choice may be closed in s'; then nobody reads the value that replays give it.
 */
static void remember(struct rlad *r, const struct rlad_step *t, double cost)
{
    const struct rlad_service *s = &r->services[t->service];
    const size_t pair = rlad_pair(s, r->cfg->successor_quirk ? t->next : t->state, t->choice);
    if (forgets(r)) {
        make_room(r, t->service, pair);
    }
    if (r->successor[pair] <= 0.0) {
        double *n = &r->n_known[t->service];
        known_of(r, t->service)[(size_t)*n] = (double)pair;
        *n += 1.0;
    }
    r->successor[pair] = 1.0 + t->next;
    r->pair_cost[pair] = cost;
}

/* With n transitions learned, the one just now included, and m remembered pairs
 *
 *     min(ceil(percent (n + 1) / 100), m)
 *
 * n + 1, because the published agent counts from 1. So replays grow with the training until each
 * transition replays as many pairs as there are. */
static int replays_of(const struct rlad *r, int service)
{
    if (!forgets(r)) {
        return r->cfg->replays;
    }
    const double share = ceil(r->cfg->replay_percent * (r->n_learned[service] + 1.0) / 100.0);
    return (int)(share < r->n_known[service] ? share : r->n_known[service]);
}

static void replay(struct rlad *r, const struct rlad_step *t, struct rng_key key, uint32_t row,
                   uint32_t update)
{
    const struct rlad_service *s = &r->services[t->service];
    const double *known = known_of(r, t->service);
    const uint32_t n = (uint32_t)r->n_known[t->service];
    const int n_replays = replays_of(r, t->service);
    for (int i = 0; i < n_replays; i++) {
        const struct rng_block v = rng_philox(key, (uint32_t)i, row, update, (uint32_t)t->service);
        const size_t pair = (size_t)known[rng_below(v.v[0], n)];
        move_q(r, s, pair, (int)r->successor[pair] - 1, r->pair_cost[pair]);
    }
}

double rlad_epsilon(const struct rlad_cfg *cfg, double t)
{
    return cfg->exploration == RLAD_DECAYING ? 1.0 / t : cfg->epsilon;
}

void rlad_learn_step(struct rlad *r, const struct rlad_step *t, struct rng_key key, uint32_t row,
                     uint32_t update)
{
    const struct rlad_service *s = &r->services[t->service];
    const size_t pair = rlad_pair(s, t->state, t->choice);
    const double cost = rlad_known_cost(s, t->next) + t->unknown;
    move_q(r, s, pair, t->next, cost);
    r->visits[s->first + t->next] += 1.0;
    if (forgets(r)) {
        r->n_learned[t->service] += 1.0;
    }
    if (remembers(r)) {
        remember(r, t, cost);
        replay(r, t, key, row, update);
    }
}

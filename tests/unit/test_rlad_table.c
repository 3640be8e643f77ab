/* The tables of Rlad-core against exact solutions of small worlds, in which a replica is an M/G/1
 * queue as in the simulator of the publication (DOI 10.1109/CLOUD.2019.00061):
 *
 *   response = ES + lambda ES2 / (2 (1 - rho)),  lambda = load / replicas,  rho = lambda ES
 *
 * and infinite from rho = 1 on. The load is a Markov chain. A world is solved by value iteration
 * over (replicas, load), which knows all probabilities. Prints what each kind of agent reaches. */
#include "core/methods/rlad_table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum { LOADS = RLAD_BINS, MOST_MAX = 10 };
static const double SERVED = 200, RESPONSE_MAX_S = 0.05, RESOURCES = 0.09, LATE = 0.9;
static const double FULL = 0.88; /* greatest load / what all replicas serve */

/* What is called the utilisation: of the replicas there are, or the load as a share of what all
 * `most` replicas bear. The second does not depend on the choices, as the publication assumes. */
enum utilisation { MEASURED, EXOGENOUS };
/* The load goes to a neighbour with probability 0.2 each, or rises by steps and falls at once. */
enum chain { WALK, CYCLE };

struct world {
    int most;
    enum utilisation utilisation;
    enum chain chain;
    double load[LOADS]; /* requests/s */
    double p[LOADS][LOADS];
};

static struct world world(int most, enum utilisation utilisation, enum chain chain)
{
    struct world w = {.most = most, .utilisation = utilisation, .chain = chain};
    for (int i = 0; i < LOADS; i++) {
        w.load[i] = FULL * SERVED * most * i / (LOADS - 1);
        if (chain == CYCLE) {
            w.p[i][(i + 1) % LOADS] = 1;
            continue;
        }
        w.p[i][i] = 0.6;
        w.p[i][i > 0 ? i - 1 : i] += 0.2;
        w.p[i][i < LOADS - 1 ? i + 1 : i] += 0.2;
    }
    return w;
}

static int bin_of(const struct world *w, int replicas, int load)
{
    return rlad_bin(w->load[load] /
                    (SERVED * (w->utilisation == EXOGENOUS ? FULL * w->most : replicas)));
}

static double response_s(double load, int replicas)
{
    const double mean = 1 / SERVED, lambda = load / replicas, rho = lambda * mean;
    return rho >= 1 ? HUGE_VAL : mean + lambda * 2 * mean * mean / (2 * (1 - rho));
}

static double unknown_cost(const struct world *w, int replicas, int load)
{
    return response_s(w->load[load], replicas) > RESPONSE_MAX_S ? LATE : 0;
}

static double cost(const struct world *w, int replicas, int load)
{
    return RESOURCES * replicas / w->most + unknown_cost(w, replicas, load);
}

/* ---- exact ---- */

struct values {
    double v[MOST_MAX + 1][LOADS];
};

static double expected(const struct world *w, const struct values *v, double gamma, int replicas,
                       int load)
{
    double sum = 0;
    for (int i = 0; i < LOADS; i++) {
        sum += w->p[load][i] * (cost(w, replicas, i) + gamma * v->v[replicas][i]);
    }
    return sum;
}

static uint32_t open_choices(const struct rlad_service *s, int state)
{
    uint32_t mask = 0;
    for (int c = 0; c < RLAD_CHOICES; c++) {
        mask |= rlad_open(s, state, c) ? UINT32_C(1) << c : 0;
    }
    return mask;
}

static int greedy(const struct rlad *r, int state)
{
    const struct rlad_service *s = &r->services[0];
    float q[RLAD_CHOICES];
    for (int c = 0; c < RLAD_CHOICES; c++) {
        q[c] = (float)r->q[rlad_pair(s, state, c)];
    }
    return rlad_greedy(q, open_choices(s, state));
}

static int policy(const struct rlad *r, const struct world *w, int replicas, int load)
{
    return greedy(r, rlad_state(&r->services[0], replicas, bin_of(w, replicas, load)));
}

/* r NULL: the optimum. 6000 sweeps: 0.99^6000 < 1e-26. */
static void solve(struct values *v, const struct world *w, const struct rlad *r, double gamma)
{
    memset(v, 0, sizeof *v);
    for (int n = 0; n < 6000; n++) {
        const struct values old = *v;
        for (int x = 0; x < w->most * LOADS; x++) {
            const int k = 1 + x / LOADS, load = x % LOADS;
            double best = HUGE_VAL;
            for (int c = 0; c < RLAD_CHOICES; c++) {
                const int next = k + c - 1;
                if (next >= 1 && next <= w->most && (r == NULL || policy(r, w, k, load) == c)) {
                    best = fmin(best, expected(w, &old, gamma, next, load));
                }
            }
            v->v[k][load] = best;
        }
    }
}

/* ---- an agent ---- */

struct fixture {
    struct arena arena;
    struct rlad_cfg cfg;
    struct rlad rlad;
    double *record;
};

static struct rlad_cfg cfg_of(int algorithm)
{
    return (struct rlad_cfg){.algorithm = algorithm,
                             .alpha = 0.1,
                             .gamma = 0.99,
                             .sweeps = 2,
                             .epsilon = 0.1,
                             .replays = 25,
                             .memory = 100,
                             .replay_percent = 10};
}

static void open_agent(struct fixture *f, const struct rlad_cfg *cfg, int most)
{
    *f = (struct fixture){.cfg = *cfg};
    arena_init(&f->arena);
    const struct rlad_service s = {.least = 1, .most = most, .replica_cost = RESOURCES / most};
    OK(rlad_init(&f->rlad, &f->arena, &f->cfg, &s, 1));
    double *learned = ARENA_NEW(&f->arena, rlad_doubles(&f->rlad), double);
    f->record = ARENA_NEW(&f->arena, rlad_record_doubles(&f->rlad), double);
    OK(arena_error(&f->arena));
    rlad_bind(&f->rlad, learned);
    rlad_clear(&f->rlad);
}

static struct rng_block draw(uint32_t step, uint32_t what)
{
    return rng_philox(rng_key(3, RNG_TEST, RNG_TRAIN), what, step, 0, 0);
}

static int next_load(const struct world *w, int load, uint32_t step)
{
    double u = rng_f64(draw(step, 0).v[0], draw(step, 0).v[1]);
    int i = 0;
    while (i < LOADS - 1 && u >= w->p[load][i]) {
        u -= w->p[load][i++];
    }
    return i;
}

/* Greedy, or with probability epsilon one of the open choices. */
static int choose_in(const struct fixture *f, int state, uint32_t step)
{
    const struct rng_block v = draw(step, 1);
    const uint32_t mask = open_choices(&f->rlad.services[0], state);
    const double epsilon = rlad_epsilon(&f->cfg, step + 1.0);
    if (f->cfg.algorithm == RLAD_MODEL_BASED || rng_f32(v.v[0]) >= (float)epsilon) {
        return greedy(&f->rlad, state);
    }
    const int lo = (mask & 1U) != 0 ? 0 : 1, hi = (mask & 4U) != 0 ? 2 : 1;
    return lo + (int)rng_below(v.v[1], (uint32_t)(hi - lo + 1));
}

static void learn(struct fixture *f, const struct rlad_step *t, uint32_t step, int every)
{
    if (f->cfg.algorithm != RLAD_MODEL_BASED) {
        rlad_learn_step(&f->rlad, t, rng_key(3, RNG_MINIBATCH, RNG_TRAIN), step, 0);
        return;
    }
    rlad_record(&f->rlad, f->record, t);
    if ((step + 1) % (uint32_t)every == 0) {
        rlad_learn(&f->rlad, f->record, every * f->cfg.sweeps);
        memset(f->record, 0, rlad_record_doubles(&f->rlad) * sizeof *f->record);
    }
}

/* Where an agent stands in its world. */
struct place {
    int replicas, load;
    uint32_t step;
};

/* Mean cost of a decision over the next n_steps. */
static double live(struct fixture *f, const struct world *w, struct place *at, int n_steps,
                   int every)
{
    double sum = 0;
    for (int i = 0; i < n_steps; i++, at->step++) {
        const struct rlad_service *s = &f->rlad.services[0];
        struct rlad_step t = {.state =
                                  rlad_state(s, at->replicas, bin_of(w, at->replicas, at->load))};
        t.choice = choose_in(f, t.state, at->step);
        at->replicas += t.choice - 1;
        at->load = next_load(w, at->load, at->step);
        t.next = rlad_state(s, at->replicas, bin_of(w, at->replicas, at->load));
        t.unknown = unknown_cost(w, at->replicas, at->load);
        sum += cost(w, at->replicas, at->load);
        learn(f, &t, at->step, every);
    }
    return sum / n_steps;
}

/* Value of the agent's greedy policy over that of the best, from (1 replica, no load) on: nothing
 * that was never seen on the way matters. */
static double ratio_to_best(const struct fixture *f, const struct world *w)
{
    struct values own, best;
    solve(&own, w, &f->rlad, f->cfg.gamma);
    solve(&best, w, NULL, f->cfg.gamma);
    return own.v[1][0] / best.v[1][0];
}

static double train(struct fixture *f, const struct rlad_cfg *cfg, const struct world *w,
                    int n_steps)
{
    static const char *const names[] = {"model-based", "Q-learning", "Dyna-Q", "Dyna-Q 2"};
    struct place at = {.replicas = 1};
    open_agent(f, cfg, w->most);
    const double before = ratio_to_best(f, w);
    (void)live(f, w, &at, n_steps, 50);
    const double after = ratio_to_best(f, w);
    printf("# %-11s%s, %s utilisation, load %s, %d decisions: cost / least cost %.3f, untrained "
           "%.3f\n",
           names[cfg->algorithm], cfg->transitions == RLAD_ACTION ? " by action" : "",
           w->utilisation == EXOGENOUS ? "exogenous" : "measured",
           w->chain == WALK ? "walks" : "cycles", n_steps, after, before);
    arena_release(&f->arena);
    return after;
}

/* ---- tests ---- */

/* Under its own assumption the published model finds the optimum, in either chain. */
static void test_model_based(void **state)
{
    const struct rlad_cfg cfg = cfg_of(RLAD_MODEL_BASED);
    struct fixture f;
    (void)state;
    for (int most = 2; most <= 4; most++) {
        for (int chain = WALK; chain <= CYCLE; chain++) {
            const struct world w = world(most, EXOGENOUS, (enum chain)chain);
            assert_true(train(&f, &cfg, &w, 40000) < 1.0 + 1e-9);
        }
    }
}

/* A measured utilisation depends on the replicas, which the published model does not know. The
 * one that counts by action does. It cannot tell loads beyond what the replicas bear. */
static void test_measured_utilisation(void **state)
{
    const struct world w = world(4, MEASURED, WALK);
    struct rlad_cfg cfg = cfg_of(RLAD_MODEL_BASED);
    struct fixture f;
    (void)state;
    const double published = train(&f, &cfg, &w, 40000);
    cfg.transitions = RLAD_ACTION;
    const double by_action = train(&f, &cfg, &w, 40000);
    assert_true(published > 1.5 && by_action < 1.05);
}

/* With a constant step the values keep moving, so both get a short horizon. Dyna-Q remembers one
 * successor of a pair: it is right where the load is certain. */
static void test_model_free(void **state)
{
    const struct world walk = world(3, EXOGENOUS, WALK), cycle = world(3, EXOGENOUS, CYCLE);
    struct rlad_cfg q = cfg_of(RLAD_Q_LEARNING), dyna = cfg_of(RLAD_DYNA_Q);
    struct fixture f;
    (void)state;
    q.gamma = dyna.gamma = 0.9;
    q.alpha = 0.01;
    assert_true(train(&f, &q, &walk, 800000) < 1.0 + 1e-9);
    (void)train(&f, &dyna, &walk, 800000);
    q.alpha = 0.1;
    assert_true(train(&f, &q, &cycle, 32000) < 1.0 + 1e-9);
    assert_true(train(&f, &dyna, &cycle, 1000) < 1.0 + 1e-9);
    dyna.successor_quirk = true;
    assert_true(train(&f, &dyna, &cycle, 8000) > 1.5); /* learns the wrong pairs */
    dyna = cfg_of(RLAD_DYNA_Q_2);
    dyna.gamma = 0.9;
    dyna.exploration = RLAD_DECAYING;
    (void)train(&f, &dyna, &walk, 800000);
    assert_true(train(&f, &dyna, &cycle, 1000) < 1.0 + 1e-9);
}

static void step_in(struct fixture *f, uint32_t n, int state, int choice, int next, double unknown)
{
    const struct rlad_step t = {.state = state, .choice = choice, .next = next, .unknown = unknown};
    rlad_learn_step(&f->rlad, &t, rng_key(3, RNG_MINIBATCH, RNG_TRAIN), n, 0);
}

/* The second version remembers the pairs that occurred last, each once, the youngest at the end. */
static void test_memory(void **state)
{
    struct rlad_cfg cfg = cfg_of(RLAD_DYNA_Q_2);
    struct fixture f;
    (void)state;
    cfg.memory = 3;
    cfg.replay_percent = 0;
    open_agent(&f, &cfg, 4);
    const struct rlad *r = &f.rlad;
    const int states[] = {11, 12, 13, 12, 14}; /* 12 occurs again, then 14 takes the place of 11 */
    for (uint32_t i = 0; i < 5; i++) {
        step_in(&f, i, states[i], RLAD_NO_CHANGE, states[i] + 1, 0.1 * i);
    }
    const int kept[] = {13, 12, 14};
    assert_true(r->n_known[0] == 3);
    for (int i = 0; i < 3; i++) {
        const size_t pair = rlad_pair(&r->services[0], kept[i], RLAD_NO_CHANGE);
        assert_true(r->known[i] == (double)pair);
        assert_true(r->successor[pair] == kept[i] + 2);
    }
    const size_t gone = rlad_pair(&r->services[0], 11, RLAD_NO_CHANGE);
    assert_true(r->successor[gone] == 0 && r->n_learned[0] == 5);
    /* the last occurrence counts */
    const size_t again = rlad_pair(&r->services[0], 12, RLAD_NO_CHANGE);
    assert_true(fabs(r->pair_cost[again] - (0.3 + rlad_known_cost(&r->services[0], 13))) < 1e-12);
    arena_release(&f.arena);
}

/* One pair that costs 1 and leads to a state without costs. Each time it is learned or replayed,
 * the error of its value shrinks by 1 - alpha, so the error counts how often. Transition n replays
 * ceil((n + 1) / 10) pairs, and never more than the memory holds: here the one. */
static void test_replays_grow(void **state)
{
    struct rlad_cfg cfg = cfg_of(RLAD_DYNA_Q_2);
    struct fixture f;
    (void)state;
    cfg.gamma = 0;
    cfg.replay_percent = 10;
    open_agent(&f, &cfg, 4);
    const struct rlad_service *s = &f.rlad.services[0];
    const int from = rlad_state(s, 2, 3), to = rlad_state(s, 2, 0);
    const double cost = 1 + rlad_known_cost(s, to);
    double *q = &f.rlad.q[rlad_pair(s, from, RLAD_NO_CHANGE)];
    for (uint32_t n = 1; n <= 25; n++) {
        step_in(&f, n, from, RLAD_NO_CHANGE, to, 1);
        assert_true(fabs(*q - cost * (1 - pow(0.9, 2.0 * n))) < 1e-12);
    }
    arena_release(&f.arena);
    /* several pairs of the same kind: learned once each, and replayed in all */
    open_agent(&f, &cfg, 4);
    s = &f.rlad.services[0];
    for (int u = 1; u <= 10; u++) {
        step_in(&f, (uint32_t)u, rlad_state(s, 2, u), RLAD_NO_CHANGE, rlad_state(s, 2, 0), 1);
    }
    double learned = 0;
    for (int u = 1; u <= 10; u++) {
        const double now = f.rlad.q[rlad_pair(s, rlad_state(s, 2, u), RLAD_NO_CHANGE)];
        learned += log(1 - now / cost) / log(0.9);
    }
    assert_true(fabs(learned - (10 + 9 * 1 + 2)) < 1e-6); /* ceil(0.2..1.0) = 1, ceil(1.1) = 2 */
    arena_release(&f.arena);
}

/* The published code stores the successor as the origin, too: replays then move the value of the
 * pair (successor, choice). */
static void test_quirk(void **state)
{
    struct rlad_cfg cfg = cfg_of(RLAD_DYNA_Q);
    struct fixture f;
    (void)state;
    cfg.successor_quirk = true;
    cfg.gamma = 0;
    cfg.replays = 3;
    open_agent(&f, &cfg, 4);
    const struct rlad_service *s = &f.rlad.services[0];
    const int from = rlad_state(s, 2, 3), to = rlad_state(s, 2, 0);
    step_in(&f, 0, from, RLAD_NO_CHANGE, to, 1);
    const double cost = 1 + rlad_known_cost(s, to);
    assert_true(fabs(f.rlad.q[rlad_pair(s, from, RLAD_NO_CHANGE)] - 0.1 * cost) < 1e-12);
    assert_true(fabs(f.rlad.q[rlad_pair(s, to, RLAD_NO_CHANGE)] - cost * (1 - pow(0.9, 3))) <
                1e-12);
    arena_release(&f.arena);
}

static void test_epsilon(void **state)
{
    struct rlad_cfg cfg = cfg_of(RLAD_DYNA_Q_2);
    (void)state;
    assert_true(rlad_epsilon(&cfg, 1) == 0.1 && rlad_epsilon(&cfg, 1e6) == 0.1);
    cfg.exploration = RLAD_DECAYING;
    assert_true(rlad_epsilon(&cfg, 1) == 1 && rlad_epsilon(&cfg, 8) == 0.125);
}

/* ---- the task of the publication ---- */

enum { DECISIONS = 4032, SPAN = 576, REPLICAS = 10 }; /* two weeks, spans of two days */

/* A day of 144 rates, each of them twice, between 0.1 and 0.8 of what 10 replicas serve. */
static double day_load(uint32_t step)
{
    const double day = 2 * 3.141592653589793 * (double)(step / 2 % 144) / 144;
    const double noise = 1 + 0.05 * (2 * (double)rng_f32(draw(step / 2, 2).v[0]) - 1);
    return SERVED * REPLICAS * (0.45 - 0.35 * cos(day)) * noise;
}

/* The publication's rule: out above 0.7; in if fewer replicas stay below three quarters of it. */
static int threshold_choice(double utilisation, int replicas)
{
    if (utilisation > 0.7) {
        return replicas < REPLICAS ? 2 : 1;
    }
    return replicas > 1 && utilisation < 0.75 * 0.7 * (replicas - 1) / replicas ? 0 : 1;
}

/* One of them chooses: the agent; the rule; nobody (the agent before it learned). */
enum player { AGENT, RULE, NOBODY };

/* means (DECISIONS / SPAN): of the cost of a decision. The agent learns after each. */
static void live_days(double *means, struct fixture *f, enum player player)
{
    const struct world w = {.most = REPLICAS};
    int k = 5;
    double load = day_load(0);
    memset(means, 0, DECISIONS / SPAN * sizeof *means);
    for (uint32_t i = 0; i < DECISIONS; i++) {
        const struct rlad_service *s = &f->rlad.services[0];
        struct rlad_step t = {.state = rlad_state(s, k, rlad_bin(load / (SERVED * k)))};
        t.choice = player == AGENT  ? choose_in(f, t.state, i)
                   : player == RULE ? threshold_choice(fmin(1, load / (SERVED * k)), k)
                                    : 1;
        k += t.choice - 1;
        load = day_load(i + 1);
        t.next = rlad_state(s, k, rlad_bin(load / (SERVED * k)));
        t.unknown = response_s(load, k) > RESPONSE_MAX_S ? LATE : 0;
        means[i / SPAN] += (RESOURCES * k / w.most + t.unknown) / SPAN;
        learn(f, &t, i, 1);
    }
}

static void tell_days(const char *name, const double *means)
{
    printf("# %-22s", name);
    for (int i = 0; i < DECISIONS / SPAN; i++) {
        printf(" %.4f", means[i]);
    }
    printf("\n");
}

/* Mean cost of a decision in each span. The agents get better than they were when untrained, and
 * their curves end flat; counting by action also beats the rule. */
static void test_publication(void **state)
{
    static const struct {
        const char *name;
        enum player player;
        int algorithm, transitions;
    } runs[] = {
        {"untrained", NOBODY, RLAD_MODEL_BASED, RLAD_UTILISATION},
        {"threshold 0.7", RULE, RLAD_MODEL_BASED, RLAD_UTILISATION},
        {"model-based", AGENT, RLAD_MODEL_BASED, RLAD_UTILISATION},
        {"model-based by action", AGENT, RLAD_MODEL_BASED, RLAD_ACTION},
        {"Q-learning", AGENT, RLAD_Q_LEARNING, RLAD_UTILISATION},
        {"Dyna-Q", AGENT, RLAD_DYNA_Q, RLAD_UTILISATION},
        {"Dyna-Q 2", AGENT, RLAD_DYNA_Q_2, RLAD_UTILISATION},
    };
    enum { RUNS = sizeof runs / sizeof *runs, SPANS = DECISIONS / SPAN };
    double means[RUNS][SPANS];
    (void)state;
    for (int i = 0; i < RUNS; i++) {
        struct rlad_cfg cfg = cfg_of(runs[i].algorithm);
        struct fixture f;
        cfg.transitions = runs[i].transitions;
        cfg.exploration = cfg.algorithm == RLAD_DYNA_Q_2 ? RLAD_DECAYING : RLAD_CONSTANT;
        open_agent(&f, &cfg, REPLICAS);
        live_days(means[i], &f, runs[i].player);
        arena_release(&f.arena);
        tell_days(runs[i].name, means[i]);
    }
    for (int i = 2; i < RUNS; i++) {
        assert_true(means[i][SPANS - 1] < 0.5 * means[0][SPANS - 1]);
    }
    for (int i = 2; i < 4; i++) { /* model-based */
        const double end = means[i][SPANS - 1], before = means[i][SPANS - 2];
        assert_true(fabs(end - before) < 0.1 * before);
    }
    assert_true(means[3][SPANS - 1] < means[1][SPANS - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_based),  cmocka_unit_test(test_measured_utilisation),
        cmocka_unit_test(test_model_free),   cmocka_unit_test(test_memory),
        cmocka_unit_test(test_replays_grow), cmocka_unit_test(test_quirk),
        cmocka_unit_test(test_epsilon),      cmocka_unit_test(test_publication),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

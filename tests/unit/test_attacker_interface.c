/* The attacker's interface: its masks and views by hand, and what it can never do, whatever it
 * chooses: exceed a budget or the cap, or change the legitimate arrivals.
 *
 * DECISIONS=1000000 (make proof-attacker) makes the last test longer. With ATTACKER=FILE and
 * CONFIG=FILE, a policy and the configuration it was trained with, every second episode is played
 * by that trained attacker. */
#include "core/cluster/internal.h"
#include "core/eval/raider.h"
#include "core/game/attacker_interface.h"
#include "mpi/jobs/experiment.h"
#include "mpi/train/train_attacker.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { N_ENV = 4, SERVICES_MAX = 8, GLOBAL_STATE_MAX = 256 };

static const struct attacker_cfg usual = {
    .kinds = (int[]){ATTACKER_RATE, ATTACKER_CRASH}, .n_kinds = 2, .view = ATTACKER_PROBE};

static const struct attacker_cfg all_kinds = {
    .kinds = (int[]){ATTACKER_RATE, ATTACKER_CRASH, ATTACKER_LORIS, ATTACKER_COST},
    .n_kinds = 4,
    .view = ATTACKER_PROBE};

/* A trained attacker that may play, and what it was trained with. */
struct trained {
    struct experiment x;
    struct attacker_source source;
    struct team team;
};

/* An attacker on a cluster, and the same cluster without one. */
struct fixture {
    struct game_fixture w;
    struct attacker_interface attacker;
    struct plant *attacked, *quiet;
    struct schedule schedules[N_ENV];
    void *memory[N_ENV];
    struct raider *raiders[N_ENV]; /* NULL: none was trained */
};

static void start(struct fixture *f, const char *text, const struct attacker_cfg *cfg)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, text);
    struct arena *arena = &f->w.arena;
    const struct env_setup *w = &f->w.env_setup;
    assert_int_equal(attacker_interface_init(&f->attacker, arena, cfg, w, &f->w.places), ERR_OK);
    assert_int_equal(env_setup_plant(&f->attacked, arena, w, PLANT_KIND_CLUSTER, N_ENV), ERR_OK);
    assert_int_equal(env_setup_plant(&f->quiet, arena, w, PLANT_KIND_CLUSTER, N_ENV), ERR_OK);
    for (int i = 0; i < N_ENV; i++) {
        assert_int_equal(schedule_init(&f->schedules[i], arena, w->n_seconds), ERR_OK);
        assert_int_equal(
            f->attacker.interface.ops->memory(&f->memory[i], arena, &f->attacker.interface),
            ERR_OK);
    }
}

static struct sight sight_of(const struct fixture *f, int lid)
{
    return (struct sight){.state = plant_state(f->attacked, lid),
                          .schedule = &f->schedules[lid],
                          .plant = f->attacked,
                          .lid = lid};
}

static void observe(struct fixture *f, int lid)
{
    const struct sight s = sight_of(f, lid);
    f->attacker.interface.ops->observe(f->memory[lid], &f->attacker.interface, &s);
}

static void look(const struct fixture *f, int lid, float *global_state, uint32_t *mask)
{
    const struct sight s = sight_of(f, lid);
    f->attacker.interface.ops->global_state(global_state, mask, f->memory[lid],
                                            &f->attacker.interface, &s);
}

static void begin(struct fixture *f, int lid, uint32_t episode)
{
    const struct env_setup *w = &f->w.env_setup;
    const struct episode_id id = {
        .seed = 3, .split = RNG_TRAIN, .env = (uint32_t)lid, .episode = episode};
    schedule_draw(&f->schedules[lid], &w->scenarios[episode % (uint32_t)w->cfg.n_scenarios], &id,
                  w->n_seconds);
    struct plant *const plants[] = {f->attacked, f->quiet};
    for (int k = 0; k < 2; k++) {
        assert_int_equal(plant_reset(plants[k], lid, &id, &f->schedules[lid], w->cfg.horizon),
                         ERR_OK);
    }
    f->attacker.interface.ops->begin(f->memory[lid], &f->attacker.interface, &id, 0);
    observe(f, lid);
}

static struct attack_action choose(struct fixture *f, int lid, int entry, int load, int data)
{
    int32_t delta[SERVICES_MAX] = {0};
    struct game_move move = {.delta = delta};
    const struct sight s = sight_of(f, lid);
    const int32_t action[ATTACKER_FACTORS_MAX] = {entry, load, data, ATTACKER_STAND, ATTACKER_SAME};
    f->attacker.interface.ops->apply(&move, f->memory[lid], &f->attacker.interface, &s, action);
    return move.attack;
}

/* ---- by hand ---- */

static const char SMALL[] = "workload: {mean_rps: 20, noise: 0, burst_per_h: 0}\n"
                            "plant: {attack_requests: 0.1, attack_crashes: 0.05}\n"
                            "game: {horizon: 20}\n";

/* Two notches of 10/s are spent in every period until 600 x 20 x ... of the budget are gone: then
 * the only choice is to do nothing. */
static void test_means_and_masks(void **state)
{
    (void)state;
    struct fixture f;
    float seen[GLOBAL_STATE_MAX];
    uint32_t mask[ATTACKER_FACTORS_MAX];
    struct attack_action attack[N_ENV] = {{0}};
    const int32_t delta[N_ENV * SERVICES_MAX] = {0};
    start(&f, SMALL, &usual);
    assert_int_equal(f.attacker.spec.n_global_state, 2 + 2 + 5);
    for (int i = 0; i < N_ENV; i++) {
        begin(&f, i, 0);
    }
    look(&f, 0, seen, mask);
    assert_true(mask[ATTACKER_ENTRY] == 1 && mask[ATTACKER_LOAD] == 0x1f);
    assert_true(mask[ATTACKER_DATA] == 0x7);
    assert_true(seen[4] == 1.0F && seen[5] == 1.0F && seen[6] == 0.0F);
    const double budget = plant_attack_left(f.attacked, 0).requests;
    attack[0] = choose(&f, 0, 0, 4, 2);
    assert_true(attack[0].rate_change == 2 && attack[0].data_change == 2);
    assert_int_equal(plant_step(f.attacked, delta, attack, NULL), ERR_OK);
    observe(&f, 0);
    look(&f, 0, seen, mask);
    const double left = plant_attack_left(f.attacked, 0).requests;
    assert_true(fabs((double)seen[2] - 0.5) < 1e-4); /* half the nominal load */
    assert_true(fabs((double)seen[4] - left / budget) < 1e-6 && left < budget);
    assert_true(seen[5] == 0.0F && mask[ATTACKER_DATA] == 1); /* crashes: spent at once */
    assert_true(seen[3] > 0.0F && seen[3] < 1.0F);
    assert_true(fabs((double)seen[6] - 1.0 / 20) < 1e-6);
    assert_true(seen[7] == 1.0F && seen[8] == 1.0F && seen[0] > 0.0F);
    for (int t = 1; t < 6; t++) {
        attack[0] = choose(&f, 0, 0, 4, 0);
        assert_int_equal(plant_step(f.attacked, delta, attack, NULL), ERR_OK);
        observe(&f, 0);
    }
    look(&f, 0, seen, mask);
    assert_true(plant_attack_left(f.attacked, 0).requests == 0.0);
    assert_true(mask[ATTACKER_LOAD] == 1U << ATTACKER_STAND && seen[4] == 0.0F);
    game_fixture_close(&f.w);
}

/* Blind: response times only while it sends; full: the state stands behind the measures. */
static void test_views(void **state)
{
    (void)state;
    for (int view = ATTACKER_BLIND; view <= ATTACKER_FULL; view++) {
        struct fixture f;
        float seen[GLOBAL_STATE_MAX];
        uint32_t mask[ATTACKER_FACTORS_MAX];
        struct attack_action attack[N_ENV] = {{0}};
        const int32_t delta[N_ENV * SERVICES_MAX] = {0};
        struct attacker_cfg cfg = usual;
        cfg.view = view;
        start(&f, SMALL, &cfg);
        for (int i = 0; i < N_ENV; i++) {
            begin(&f, i, 0);
        }
        attack[1] = choose(&f, 1, 0, 3, 0);
        attack[0] = choose(&f, 0, 0, ATTACKER_STAND, 0);
        assert_int_equal(plant_step(f.attacked, delta, attack, NULL), ERR_OK);
        observe(&f, 0);
        observe(&f, 1);
        look(&f, 1, seen, mask);
        assert_true(seen[0] > 0.0F);
        look(&f, 0, seen, mask);
        assert_true((seen[0] > 0.0F) == (view != ATTACKER_BLIND));
        if (view == ATTACKER_FULL) {
            const int n = f.attacker.spec.n_norm - 2;
            assert_memory_equal(seen + 2, plant_state(f.attacked, 0), (size_t)n * sizeof *seen);
        }
        const char *const *names = attacker_interface_columns(&f.attacker, &f.w.arena);
        assert_non_null(names);
        assert_string_equal(names[1], "errors");
        game_fixture_close(&f.w);
    }
}

/* With all kinds: two more factors and what they do. Blind, the response time is that of its own
 * requests, which cost twice as much as the others and so take longer than the mean of all. */
static void test_all_kinds(void **state)
{
    (void)state;
    struct fixture f;
    float seen[GLOBAL_STATE_MAX];
    uint32_t mask[ATTACKER_FACTORS_MAX];
    struct attack_action attack[N_ENV] = {{0}};
    const int32_t delta[N_ENV * SERVICES_MAX] = {0};
    struct attacker_cfg cfg = all_kinds;
    cfg.view = ATTACKER_BLIND;
    start(&f,
          "workload: {mean_rps: 20, noise: 0, burst_per_h: 0}\n"
          "plant: {attack_connections: 0.05, attack_work: 0.1, attack_cap: 0}\n"
          "game: {horizon: 20}\n",
          &cfg);
    assert_int_equal(f.attacker.spec.n_factors, 5);
    assert_int_equal(f.attacker.spec.n_global_state, 2 + 2 + 5 + 3 + 3);
    assert_int_equal(f.attacker.interface.n_stats, 5);
    for (int i = 0; i < N_ENV; i++) {
        begin(&f, i, 0);
    }
    look(&f, 0, seen, mask);
    assert_true(mask[ATTACKER_CONNS] == 0x1f && mask[ATTACKER_COSTS] == 0x7);
    const struct attack_budget all = plant_attack_left(f.attacked, 0);
    const struct sight s = sight_of(&f, 0);
    const int32_t action[ATTACKER_FACTORS_MAX] = {0, 3, 0, 4, 2};
    struct game_move move = {0};
    f.attacker.interface.ops->apply(&move, f.memory[0], &f.attacker.interface, &s, action);
    attack[0] = move.attack;
    assert_true(attack[0].conn_change == 2 && attack[0].cost_change == 1);
    assert_int_equal(plant_step(f.attacked, delta, attack, NULL), ERR_OK);
    observe(&f, 0);
    look(&f, 0, seen, mask);
    const struct attack_budget left = plant_attack_left(f.attacked, 0);
    const struct attack_answers own = plant_attack_answers(f.attacked, 0);
    const struct plant_truth *truth = plant_truth(f.attacked, 0);
    assert_true(fabs((double)seen[9] - 0.3) < 1e-4); /* connections of the entry / nominal */
    assert_true(fabs((double)seen[10] - left.connections / all.connections) < 1e-4);
    assert_true(seen[11] == 1.0F && fabs((double)seen[12] - 1.0 / 7) < 1e-4);
    assert_true(fabs((double)seen[13] - left.work / all.work) < 1e-4 && seen[14] == 1.0F);
    assert_true(own.answered > 0.0 && own.answered < truth->answered);
    assert_true(fabs((double)seen[0] - own.latency_sum_ms / own.answered) < 1e-3);
    assert_true(own.latency_sum_ms / own.answered > truth->latency_sum_ms / truth->answered);
    game_fixture_close(&f.w);
}

/* Opposite to the defenders' reward; or damage, which is not negative and needs somebody hurt. */
static void test_rewards(void **state)
{
    (void)state;
    struct fixture f;
    struct attacker_cfg cfg = usual;
    const int32_t delta[N_ENV * SERVICES_MAX] = {0};
    cfg.reward = ATTACKER_DAMAGE;
    start(&f, SMALL, &cfg);
    for (int i = 0; i < N_ENV; i++) {
        begin(&f, i, 0);
    }
    assert_int_equal(plant_step(f.attacked, delta, NULL, NULL), ERR_OK);
    struct reward_terms terms;
    struct plant_truth truth;
    reward_of_plant(&terms, &truth, f.attacked, 0);
    const struct sight s = sight_of(&f, 0);
    float paid = -1.0F;
    f.attacker.interface.ops->reward(&paid, f.memory[0], &f.attacker.interface, &s, &terms);
    const double budget = plant_attack_left(f.attacked, 0).requests;
    const double missed =
        fmax(truth.received_legit - truth.compliant * truth.answered_legit / truth.answered, 0.0);
    assert_true(paid >= 0.0F && fabs((double)paid - missed / (budget / 20)) < 1e-5);
    cfg.reward = ATTACKER_ZERO_SUM;
    f.attacker.interface.ops->reward(&paid, f.memory[0], &f.attacker.interface, &s, &terms);
    assert_true(paid == (float)-terms.reward);
    game_fixture_close(&f.w);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *world, *entry, *says;
        int first_kind; /* of all kinds */
    } rows[] = {
        {"plant: {attack_requests: 0}\n", NULL, "plant.attack_requests: is 0, so an attacker", 0},
        {"plant: {attack_crashes: 0}\n", NULL, "plant.attack_crashes: is 0, so an attacker", 0},
        {"plant: {attack_connections: 0}\n", NULL, "plant.attack_connections: is 0, so an", 0},
        {"plant: {attack_work: 0}\n", NULL, "plant.attack_work: is 0, so an attacker", 0},
        {"plant: {alpha: 3}\n", NULL, "has 'cost' but not 'rate'", 1},
        {"plant: {alpha: 3}\n", "nowhere", "has 'nowhere', which is no entry of the topology", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct game_fixture w;
        struct attacker_interface a;
        struct attacker_cfg cfg = all_kinds;
        cfg.kinds += rows[i].first_kind;
        cfg.n_kinds -= rows[i].first_kind;
        const char *entries[] = {rows[i].entry};
        cfg.entries = entries;
        cfg.n_entries = rows[i].entry != NULL;
        game_fixture_open(&w, rows[i].world);
        assert_int_equal(attacker_interface_init(&a, &w.arena, &cfg, &w.env_setup, NULL),
                         ERR_CONFIG);
        if (strstr(w.log, rows[i].says) == NULL) {
            fail_msg("'%s' does not say '%s'", w.log, rows[i].says);
        }
        game_fixture_close(&w);
    }
}

/* ---- whatever it chooses ---- */

static uint32_t word(uint32_t i, uint32_t k)
{
    return rng_philox(rng_key(9, RNG_TEST, RNG_TEST_SPLIT), i, k, 0, 0).v[0];
}

/* Any choice inside the mask of a factor. */
static int pick(uint32_t mask, uint32_t draw)
{
    int choices[32], n = 0;
    for (int k = 0; k < 32; k++) {
        if (mask_has(&mask, k)) {
            choices[n++] = k;
        }
    }
    assert_true(n > 0);
    return choices[draw % (uint32_t)n];
}

/* Requests that were paid for, that came beyond those of the schedule, and the schedule's own
 * attack: both come from one Poisson stream, which moves on where the attacker adds to it. And
 * connections. */
struct sums {
    double paid, came, scripted;
    double conns_paid, conns_came;
    double work_paid;
};

/* The cap: requests, in CPU of ordinary ones, within the room, and the connections that an entry
 * holds on average in the slots that the room leaves. */
static void check_cap(const struct fixture *f, int lid, int period,
                      const struct attack_budget *paid)
{
    const struct topology *t = &f->w.env_setup.topology;
    const double period_s = f->attacked->cfg->period_s;
    const double room = attacker_room(&f->schedules[lid], f->attacked->cfg, t, period);
    const double free = fmax(room - (paid->requests + paid->work) / period_s, 0.0);
    double slots = 0.0;
    for (int e = 0; e < t->n_entries; e++) {
        slots += (double)t->cfg->services[t->entries[e]].max_replicas * t->cfg->slots_per_pod;
    }
    assert_true(paid->requests + paid->work <= room * period_s * (1 + 1e-9) + 1e-9);
    assert_true(paid->connections / period_s * ATTACK_HOLD_S <=
                (free / t->critical_rps + 1e-9) * slots * (1 + 1e-9));
}

static void check_period(struct fixture *f, int lid, int period, const struct attack_budget *before,
                         struct sums *sums)
{
    const struct attack_budget left = plant_attack_left(f->attacked, lid);
    const struct attack_budget paid = {.requests = before->requests - left.requests,
                                       .crashes = before->crashes - left.crashes,
                                       .connections = before->connections - left.connections,
                                       .work = before->work - left.work};
    const struct plant_truth *with = plant_truth(f->attacked, lid);
    const struct plant_truth *without = plant_truth(f->quiet, lid);
    assert_true(left.requests >= 0.0 && left.crashes >= 0.0);
    assert_true(left.connections >= 0.0 && left.work >= 0.0);
    assert_true(paid.requests >= 0.0 && paid.crashes >= 0.0);
    assert_true(paid.connections >= 0.0 && paid.work >= 0.0);
    check_cap(f, lid, period, &paid);
    assert_true(with->received_legit == without->received_legit);
    sums->scripted += without->received - without->received_legit;
    assert_true(paid.requests > 0.0 || sums->scripted > 0.0 || with->received == without->received);
    sums->paid += paid.requests;
    sums->came += with->received - without->received;
    sums->conns_paid += paid.connections;
    sums->work_paid += paid.work;
}

/* Cohorts count the arrivals of 5 s: the same legitimate ones. Connections came in the whole
 * episode. */
static void check_arrivals(struct fixture *f, int lid, struct sums *sums)
{
    int n = 0, m = 0;
    const struct plant_cohort *with = plant_cohorts(f->attacked, lid, &n);
    const struct plant_cohort *without = plant_cohorts(f->quiet, lid, &m);
    assert_int_equal(n, m);
    for (int i = 0; i < n; i++) {
        assert_int_equal(with[i].received_legit, without[i].received_legit);
    }
    sums->conns_came += ((const struct cluster *)f->attacked)->sims[lid].n_loris_arrived;
    sums->conns_came -= ((const struct cluster *)f->quiet)->sims[lid].n_loris_arrived;
}

/* Any choice inside the masks, or the trained attacker's. */
static struct attack_action decide(struct fixture *f, int lid, uint32_t at, bool trained)
{
    float seen[GLOBAL_STATE_MAX];
    uint32_t mask[ATTACKER_FACTORS_MAX];
    int32_t action[ATTACKER_FACTORS_MAX];
    const struct sight s = sight_of(f, lid);
    struct game_move move = {0};
    if (trained) {
        raider_act(f->raiders[lid], &move.attack, &s);
        return move.attack;
    }
    look(f, lid, seen, mask);
    for (int k = 0; k < f->attacker.spec.n_factors; k++) {
        action[k] = pick(mask[k], word(at, (uint32_t)k));
    }
    f->attacker.interface.ops->apply(&move, f->memory[lid], &f->attacker.interface, &s, action);
    return move.attack;
}

static void see(struct fixture *f, int lid, bool trained)
{
    const struct sight s = sight_of(f, lid);
    observe(f, lid);
    if (trained) {
        raider_observe(f->raiders[lid], &s);
    }
}

static void play(struct fixture *f, uint32_t episode, struct sums *sums)
{
    const int n_services = f->w.env_setup.topology.n_services;
    const bool trained = f->raiders[0] != NULL && episode % 2 == 1;
    for (int lid = 0; lid < N_ENV; lid++) {
        begin(f, lid, episode);
        if (trained) {
            const struct sight s = sight_of(f, lid);
            const struct episode_id id = {
                .seed = 3, .split = RNG_TRAIN, .env = (uint32_t)lid, .episode = episode};
            raider_begin(f->raiders[lid], &id, &s);
        }
    }
    for (int t = 0; t < f->w.env_setup.cfg.horizon; t++) {
        struct attack_action attack[N_ENV];
        struct attack_budget before[N_ENV];
        int32_t delta[N_ENV * SERVICES_MAX] = {0};
        for (int lid = 0; lid < N_ENV; lid++) {
            const uint32_t at = (episode * 64 + (uint32_t)t) * N_ENV + (uint32_t)lid;
            attack[lid] = decide(f, lid, at, trained);
            before[lid] = plant_attack_left(f->attacked, lid);
            for (int s = 0; s < n_services; s++) {
                delta[lid * n_services + s] = (int32_t)(word(at, 5 + (uint32_t)s) % 3) - 1;
            }
        }
        assert_int_equal(plant_step(f->attacked, delta, attack, NULL), ERR_OK);
        assert_int_equal(plant_step(f->quiet, delta, NULL, NULL), ERR_OK);
        for (int lid = 0; lid < N_ENV; lid++) {
            see(f, lid, trained);
            check_period(f, lid, t, &before[lid], sums);
        }
    }
    for (int lid = 0; lid < N_ENV; lid++) {
        check_arrivals(f, lid, sums);
    }
}

/* The policy in $ATTACKER, made with $CONFIG. False: there is none. */
static bool load_trained(struct trained *t, const struct attacker_interface *a)
{
    const char *policy = getenv("ATTACKER"), *config = getenv("CONFIG");
    if (policy == NULL || config == NULL) {
        return false;
    }
    assert_int_equal(experiment_load(&t->x, config, NULL, 0), ERR_OK);
    struct experiment_cfg *c = &t->x.cfg;
    c->attacker.policy = policy;
    (void)attacker_source_learner(&t->source, &c->attacker, &c->team, &c->mappo, false,
                                  attacker_interface_columns(a, &t->x.arena));
    assert_int_equal(attacker_team_load(&t->team, &t->x.arena, &t->source, &a->spec), ERR_OK);
    return true;
}

/* One world: all decisions, and the sums of what was paid and of what came. */
static void play_world(const char *text, const struct attacker_cfg *cfg, uint32_t episodes)
{
    struct fixture f;
    struct sums sums = {0};
    static struct trained trained;
    start(&f, text, cfg);
    const bool learned = cfg == &all_kinds && load_trained(&trained, &f.attacker);
    for (int i = 0; i < N_ENV && learned; i++) {
        assert_int_equal(raider_new(&f.raiders[i], &f.w.arena, &f.attacker, &trained.team), ERR_OK);
    }
    for (uint32_t e = 0; e < episodes; e++) {
        play(&f, e, &sums);
    }
    print_message("%u decisions%s: %.0f requests paid, %.0f came; %.0f connections paid, %.0f "
                  "came; CPU of %.0f requests more\n",
                  episodes * (uint32_t)f.w.env_setup.cfg.horizon * N_ENV,
                  learned ? ", half of them of a trained attacker" : "", sums.paid, sums.came,
                  sums.conns_paid, sums.conns_came, sums.work_paid);
    assert_true(fabs(sums.came - sums.paid) <= 5.0 * sqrt(sums.paid + 2.0 * sums.scripted) + 1.0);
    assert_true(fabs(sums.conns_came - sums.conns_paid) <= 5.0 * sqrt(sums.conns_paid) + 1.0);
    game_fixture_close(&f.w);
    if (learned) {
        experiment_release(&trained.x);
    }
}

/* Worlds: a budget that is soon gone, one that is never gone under a low cap, crashes alone, and
 * scripted floods beside the attacker; then all kinds, with small budgets, under a low cap, and
 * with budgets that allow much. */
static void test_never_more_than_the_budget(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const struct attacker_cfg *cfg;
    } worlds[] = {
        {"plant: {attack_requests: 0.1, attack_crashes: 0.3}\n", &usual},
        {"plant: {attack_requests: 50, attack_crashes: 5, attack_cap: 0.02}\n", &usual},
        {"plant: {attack_requests: 1e-9, attack_crashes: 1}\n", &usual},
        {"plant: {attack_requests: 1}\n"
         "scenarios: [{name: floods, events: [{kind: ddos, quiet_s: {lo: 30, hi: 90},\n"
         "  ramp_s: {lo: 5, hi: 30}, duration_s: {lo: 30, hi: 90}, magnitude: {lo: 2, hi: 4}}]}]\n",
         &usual},
        {"plant: {attack_requests: 0.2, attack_crashes: 0.3, attack_work: 0.05,\n"
         "  attack_connections: 0.02}\n",
         &all_kinds},
        {"plant: {attack_requests: 50, attack_work: 50, attack_connections: 50,\n"
         "  attack_cap: 0.02}\n",
         &all_kinds},
        {"plant: {attack_requests: 5, attack_work: 20, attack_connections: 5}\n", &all_kinds},
    };
    const char *text = getenv("DECISIONS");
    const uint32_t wanted = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 4000;
    enum { WORLDS = sizeof worlds / sizeof *worlds, HORIZON = 20 };
    const uint32_t episodes = wanted / (WORLDS * HORIZON * N_ENV) + 1;
    for (int i = 0; i < WORLDS; i++) {
        char world[1024];
        (void)snprintf(world, sizeof world, "%sworkload: {mean_rps: 3}\ngame: {horizon: 20}\n",
                       worlds[i].text);
        play_world(world, worlds[i].cfg, episodes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_means_and_masks), cmocka_unit_test(test_views),
        cmocka_unit_test(test_all_kinds),       cmocka_unit_test(test_rewards),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_never_more_than_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

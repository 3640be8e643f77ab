/* The attacker's interface: its masks and views by hand, and what it can never do, whatever it
 * chooses: exceed a budget or the cap, or change the legitimate arrivals.
 *
 * DECISIONS=1000000 (make proof-attacker) makes the last test longer. */
#include "core/game/attacker_interface.h"
#include "core/scenario/attacker.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { N_ENV = 4, SERVICES_MAX = 8, GLOBAL_STATE_MAX = 256 };

static const struct attacker_cfg usual = {
    .kinds = (int[]){ATTACKER_RATE, ATTACKER_CRASH}, .n_kinds = 2, .view = ATTACKER_PROBE};

/* An attacker on a cluster, and the same cluster without one. */
struct fixture {
    struct game_fixture w;
    struct attacker_interface attacker;
    struct plant *attacked, *quiet;
    struct schedule schedules[N_ENV];
    void *memory[N_ENV];
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
    const int32_t action[ATTACKER_FACTORS] = {entry, load, data};
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
    uint32_t mask[ATTACKER_FACTORS];
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
        uint32_t mask[ATTACKER_FACTORS];
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
    } rows[] = {
        {"plant: {attack_requests: 0}\n", NULL, "plant.attack_requests: is 0, so an attacker"},
        {"plant: {attack_crashes: 0}\n", NULL, "plant.attack_crashes: is 0, so an attacker"},
        {"plant: {alpha: 3}\n", "nowhere", "has 'nowhere', which is no entry of the topology"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct game_fixture w;
        struct attacker_interface a;
        struct attacker_cfg cfg = usual;
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
 * attack: both come from one Poisson stream, which moves on where the attacker adds to it. */
struct sums {
    double paid, came, scripted;
};

static void check_period(struct fixture *f, int lid, int period, double before, struct sums *sums)
{
    const struct attack_budget left = plant_attack_left(f->attacked, lid);
    const struct plant_truth *with = plant_truth(f->attacked, lid);
    const struct plant_truth *without = plant_truth(f->quiet, lid);
    const double period_s = f->attacked->cfg->period_s, paid = before - left.requests;
    const double room =
        attacker_room(&f->schedules[lid], f->attacked->cfg, &f->w.env_setup.topology, period);
    assert_true(left.requests >= 0.0 && left.crashes >= 0.0 && paid >= 0.0);
    assert_true(paid <= room * period_s * (1 + 1e-9) + 1e-9);
    assert_true(with->received_legit == without->received_legit);
    sums->scripted += without->received - without->received_legit;
    assert_true(paid > 0.0 || sums->scripted > 0.0 || with->received == without->received);
    sums->paid += paid;
    sums->came += with->received - without->received;
}

static void check_arrivals(struct fixture *f, int lid)
{
    int n = 0, m = 0;
    const struct plant_cohort *with = plant_cohorts(f->attacked, lid, &n);
    const struct plant_cohort *without = plant_cohorts(f->quiet, lid, &m);
    assert_int_equal(n, m);
    for (int i = 0; i < n; i++) {
        assert_int_equal(with[i].received_legit, without[i].received_legit);
    }
}

static void play(struct fixture *f, uint32_t episode, struct sums *sums)
{
    float seen[GLOBAL_STATE_MAX];
    uint32_t mask[ATTACKER_FACTORS];
    const int n_services = f->w.env_setup.topology.n_services;
    for (int lid = 0; lid < N_ENV; lid++) {
        begin(f, lid, episode);
    }
    for (int t = 0; t < f->w.env_setup.cfg.horizon; t++) {
        struct attack_action attack[N_ENV];
        double before[N_ENV];
        int32_t delta[N_ENV * SERVICES_MAX] = {0};
        for (int lid = 0; lid < N_ENV; lid++) {
            const uint32_t at = (episode * 64 + (uint32_t)t) * N_ENV + (uint32_t)lid;
            look(f, lid, seen, mask);
            attack[lid] = choose(f, lid, pick(mask[0], word(at, 0)), pick(mask[1], word(at, 1)),
                                 pick(mask[2], word(at, 2)));
            before[lid] = plant_attack_left(f->attacked, lid).requests;
            for (int s = 0; s < n_services; s++) {
                delta[lid * n_services + s] = (int32_t)(word(at, 3 + (uint32_t)s) % 3) - 1;
            }
        }
        assert_int_equal(plant_step(f->attacked, delta, attack, NULL), ERR_OK);
        assert_int_equal(plant_step(f->quiet, delta, NULL, NULL), ERR_OK);
        for (int lid = 0; lid < N_ENV; lid++) {
            observe(f, lid);
            check_period(f, lid, t, before[lid], sums);
        }
    }
    for (int lid = 0; lid < N_ENV; lid++) {
        check_arrivals(f, lid);
    }
}

/* Four worlds: a budget that is soon gone, one that is never gone under a low cap, crashes alone,
 * and scripted floods beside the attacker. */
static void test_never_more_than_the_budget(void **state)
{
    (void)state;
    static const char *const worlds[] = {
        "plant: {attack_requests: 0.1, attack_crashes: 0.3}\n",
        "plant: {attack_requests: 50, attack_crashes: 5, attack_cap: 0.02}\n",
        "plant: {attack_requests: 1e-9, attack_crashes: 1}\n",
        "plant: {attack_requests: 1}\n"
        "scenarios: [{name: floods, events: [{kind: ddos, quiet_s: {lo: 30, hi: 90},\n"
        "  ramp_s: {lo: 5, hi: 30}, duration_s: {lo: 30, hi: 90}, magnitude: {lo: 2, hi: 4}}]}]\n",
    };
    const char *text = getenv("DECISIONS");
    const uint32_t wanted = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 4000;
    enum { WORLDS = sizeof worlds / sizeof *worlds, HORIZON = 20 };
    const uint32_t episodes = wanted / (WORLDS * HORIZON * N_ENV) + 1;
    for (int i = 0; i < WORLDS; i++) {
        struct fixture f;
        struct sums sums = {0};
        char world[1024];
        (void)snprintf(world, sizeof world, "%sworkload: {mean_rps: 3}\ngame: {horizon: 20}\n",
                       worlds[i]);
        start(&f, world, &usual);
        for (uint32_t e = 0; e < episodes; e++) {
            play(&f, e, &sums);
        }
        print_message("world %d: %.0f requests paid, %.0f came in %u decisions\n", i, sums.paid,
                      sums.came, episodes * HORIZON * N_ENV);
        assert_true(fabs(sums.came - sums.paid) <=
                    5.0 * sqrt(sums.paid + 2.0 * sums.scripted) + 1.0);
        game_fixture_close(&f.w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_means_and_masks),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_rewards),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_never_more_than_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

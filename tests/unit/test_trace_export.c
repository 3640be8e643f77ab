/* What export wrote is read again: store -> table -> store gives the same arrays, bit by bit. */
#include "core/plant/schema.h"
#include "core/trace/export.h"
#include "tests/store_fixture.h"
#include "tests/unit/trace_scene.h"

enum { T = 40, C = 2 * SERVICE_FEATURES + GLOBAL_FEATURES };

/* An episode of the whole schema, and its header. */
struct trip {
    struct store_header h;
    struct store_episode e;
    const char *columns[C], *units[C];
    float values[(T + 1) * C], load[T];
    int32_t delta[T * 2], attack[T * STORE_ATTACK];
    double truth[T * 2];
    uint8_t gaps[((T + 1) * C + 7) / 8];
};

static void name_trip(struct trip *trip, struct arena *arena)
{
    static const char *const services[] = {"web", "a.b"};
    static const char *const truths[] = {"received", "used_m_mean"};
    for (int i = 0; i < C; i++) {
        const int feature = i < 2 * SERVICE_FEATURES ? i % SERVICE_FEATURES : i - SERVICE_FEATURES;
        const struct column_def *m = &column_defs[feature];
        trip->columns[i] =
            m->whole ? m->name
                     : arena_printf(arena, "%s.%s", services[i / SERVICE_FEATURES], m->name);
        trip->units[i] = m->unit;
    }
    trip->h = store_fixture_header(services, 2, trip->columns, trip->units, C, truths, 2);
    trip->h.plant = "cluster";
}

static void make_trip(struct trip *trip, struct arena *arena)
{
    memset(trip, 0, sizeof *trip);
    name_trip(trip, arena);
    for (int i = 0; i < (T + 1) * C; i++) {
        trip->values[i] = (float)(1e3 * noise(i, 50));
    }
    trip->gaps[1] = 0x11;
    trip->values[8] = trip->values[12] = 0.0F;
    for (int t = 0; t < T; t++) {
        trip->load[t] = (float)(100 * noise(t, 51));
        trip->attack[t * STORE_ATTACK + 1] = t % 5 - 2;
        trip->delta[2 * t] = t % 7 - 3;
        trip->truth[2 * t] = t;
        trip->truth[2 * t + 1] = noise(t, 52) / 3;
    }
    trip->e = (struct store_episode){.controller = "#khpa, \"tuned\" ",
                                     .scenario = "ddos",
                                     .seed = 18446744073709551615U,
                                     .episode = 12,
                                     .n_steps = T,
                                     .state = trip->values,
                                     .delta = trip->delta,
                                     .attack = trip->attack,
                                     .load = trip->load,
                                     .truth = trip->truth,
                                     .gaps = trip->gaps};
}

static void assert_trip(struct fixture *f, const struct trip *trip)
{
    struct store s;
    struct store_episode got;
    OK(store_open(&s, &f->scene.arena, f->store));
    assert_int_equal(s.header.n_columns, C);
    assert_int_equal(s.header.n_truths, 2);
    for (int i = 0; i < C; i++) {
        assert_string_equal(s.header.columns[i], trip->columns[i]);
        assert_string_equal(s.header.units[i], trip->units[i]);
    }
    OK(store_read(&got, &s, 0, &f->scene.arena));
    assert_int_equal(got.n_steps, T);
    assert_true(got.seed == trip->e.seed);
    assert_int_equal(got.episode, 12);
    assert_string_equal(got.controller, trip->e.controller);
    assert_memory_equal(got.state, trip->values, sizeof trip->values);
    assert_memory_equal(got.delta, trip->delta, sizeof trip->delta);
    assert_memory_equal(got.attack, trip->attack, sizeof trip->attack);
    assert_memory_equal(got.load, trip->load, sizeof trip->load);
    assert_memory_equal(got.truth, trip->truth, sizeof trip->truth);
    assert_memory_equal(got.gaps, trip->gaps, sizeof trip->gaps);
    store_close(&s);
}

/* Store -> table -> store: the same arrays, bit by bit. */
static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    static struct trip trip;
    struct store s;
    struct import_result r;
    make_trip(&trip, &f->scene.arena);
    OK(store_fixture_write(f->store, &trip.h, &trip.e));
    OK(store_open(&s, &f->scene.arena, f->store));
    OK(export_table(f->table, &s, &f->scene.arena));
    store_close(&s);
    unlink(f->store);
    OK(metrics_table_read(&f->parsed, &f->scene.arena, f->table));
    assert_string_equal(f->parsed.format->name, "tidy");
    assert_true(f->parsed.exported && metrics_table_services(&f->parsed) == 2);
    OK(import_table(&r, f->store, &f->parsed, &import_cfg, &f->scene.arena));
    assert_trip(f, &trip);
}

/* Two policies of one name that played the same episode stay two in the table. */
static void test_policies_of_one_name(void **state)
{
    struct fixture *f = *state;
    static struct trip trip;
    struct store s;
    struct import_result r;
    struct store_writer w;
    make_trip(&trip, &f->scene.arena);
    OK(store_create(&w, f->store, &trip.h));
    for (uint64_t policy = 1; policy <= 2; policy++) {
        struct buf b;
        buf_init(&b);
        trip.e.policy = policy;
        OK(codec_put_episode(&b, &trip.e, &trip.h));
        OK(store_put(&w, b.data, b.len));
        buf_release(&b);
    }
    OK(store_finish(&w));
    OK(store_open(&s, &f->scene.arena, f->store));
    OK(export_table(f->table, &s, &f->scene.arena));
    store_close(&s);
    unlink(f->store);
    OK(metrics_table_read(&f->parsed, &f->scene.arena, f->table));
    assert_int_equal(f->parsed.n_still + f->parsed.n_back, 0);
    OK(import_table(&r, f->store, &f->parsed, &import_cfg, &f->scene.arena));
    assert_int_equal(r.n_episodes, 2);
    assert_int_equal(r.n_steps, 2 * T);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_round_trip),
        TEST_(test_policies_of_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

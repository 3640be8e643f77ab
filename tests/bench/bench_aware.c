/* What the encoder of AWARE costs: one gradient of actor and critic goes forwards and backwards
 * through two recurrent networks, over the best episodes of all services. Its size is the reason
 * for the default of method.aware.encoder_units.
 *
 * Before it is timed the last sequence is computed alone, which must give the same bits.
 */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/nn/gru.h"
#include "tests/bench/bench.h"

/* Four services with 32 episodes of 10 steps: 11 observed values, one of 3 choices, a reward. */
enum { SEQUENCES = 4 * 32, STEPS = 10, FEATURES = 15, RUNS = 5, NETWORKS = 2 };
static const int units[] = {16, 32, 64, 128, 256}; /* 256: as published */

struct encoder {
    struct gru gru;
    float *params, *grads, *x, *final, *acts, *work;
};

static enum err encoder_init(struct encoder *e, struct arena *arena, int n_units)
{
    const struct gru_shape shape = {FEATURES, n_units, 2, 2};
    TRY(gru_init(&e->gru, &shape, GEMM_FIXED));
    const size_t n_final = (size_t)(e->gru.n_cells * SEQUENCES * n_units);
    e->params = ARENA_NEW(arena, e->gru.n_params, float);
    e->grads = ARENA_NEW(arena, e->gru.n_params, float);
    e->x = ARENA_NEW(arena, STEPS * SEQUENCES * FEATURES, float);
    e->final = ARENA_NEW(arena, n_final, float);
    e->acts = ARENA_NEW(arena, gru_acts_floats(&e->gru, STEPS, SEQUENCES), float);
    e->work = ARENA_NEW(arena, gru_work_floats(&e->gru, STEPS, SEQUENCES), float);
    TRY(arena_error(arena));
    gru_init_params(&e->gru, e->params, rng_key(1, RNG_TEST, RNG_TRAIN), 0);
    for (uint32_t i = 0; i < STEPS * SEQUENCES * FEATURES; i++) {
        e->x[i] = rng_f32(rng_philox(rng_key(2, RNG_TEST, RNG_TRAIN), i, 0, 0, 0).v[0]);
    }
    return ERR_OK;
}

/* Is the last sequence, computed alone, the same? */
static bool same_alone(struct encoder *e, struct arena *arena)
{
    const int h = e->gru.shape.n_hidden, last = SEQUENCES - 1;
    float *x = ARENA_NEW(arena, STEPS * FEATURES, float);
    float *final = ARENA_NEW(arena, e->gru.n_cells * h, float);
    float *acts = ARENA_NEW(arena, gru_acts_floats(&e->gru, STEPS, 1), float);
    if (arena_error(arena) != ERR_OK) {
        return false;
    }
    for (int t = 0; t < STEPS; t++) {
        memcpy(x + t * FEATURES, e->x + (t * SEQUENCES + last) * FEATURES,
               FEATURES * sizeof(float));
    }
    gru_forward(&e->gru, final, acts, e->params, x, STEPS, 1);
    bool same = true;
    for (int cell = 0; cell < e->gru.n_cells; cell++) {
        same = same && memcmp(final + cell * h, e->final + (cell * SEQUENCES + last) * h,
                              (size_t)h * sizeof(float)) == 0;
    }
    return same;
}

static void gradient(struct encoder *e)
{
    gru_forward(&e->gru, e->final, e->acts, e->params, e->x, STEPS, SEQUENCES);
    gru_backward(&e->gru, e->grads, NULL, e->params, e->x, e->acts, e->final, STEPS, SEQUENCES,
                 e->work);
}

static enum err measure(int n_units, int runs)
{
    struct arena arena;
    struct encoder e;
    double seconds[RUNS];
    char name[32];
    arena_init(&arena);
    enum err failed = encoder_init(&e, &arena, n_units);
    if (failed == ERR_OK) {
        gradient(&e);
        failed = same_alone(&e, &arena) ? ERR_OK : ERR_MISMATCH;
    }
    for (int i = 0; failed == ERR_OK && i < runs; i++) {
        const double start = bench_cpu_s();
        gradient(&e);
        seconds[i] = bench_cpu_s() - start;
    }
    if (failed == ERR_OK) {
        snprintf(name, sizeof name, "encoders of %d units", n_units);
        bench_row(name, 1e3 * NETWORKS * bench_median(seconds, runs), "ms/gradient",
                  "2 networks, 2 layers, 2 directions, %d episodes", SEQUENCES);
    } else {
        fprintf(stderr, "%d units: a sequence alone has other bits\n", n_units);
    }
    arena_release(&arena);
    return failed;
}

int main(int argc, char **argv)
{
    const struct bench_options o = bench_options(argc, argv);
    const int runs = o.quick ? 1 : RUNS;
    enum err e = ERR_OK;
    bench_title("Encoder of AWARE, one core");
    for (size_t i = 0; e == ERR_OK && i < sizeof units / sizeof *units; i++) {
        e = measure(units[i], runs);
    }
    if (e == ERR_OK) {
        bench_checked("a sequence alone has the same bits; medians of %d, CPU time", runs);
    }
    return err_exit_code(e);
}

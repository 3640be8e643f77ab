/* The best start of every last window is the one that trying all starts finds; the work grows
 * nearly in proportion to the number of windows. */
#include "core/base/rng.h"
#include "core/eval/cut.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOST = 40000 };

struct line {
    double ends[MOST + 1], best[MOST + 1];
};

static uint32_t draw(uint32_t world, uint32_t i)
{
    return rng_philox(rng_key(7, RNG_TEST, RNG_DEV), i, world, 0, 0).v[0];
}

/* Windows with much and with little to do, some resources that stand still for a while. */
static void line_draw(struct line *l, double *arrivals, uint32_t world, int n)
{
    l->ends[0] = 0.0;
    for (int i = 0; i < n; i++) {
        const uint32_t d = draw(world, (uint32_t)i);
        const uint32_t calm = draw(world, (uint32_t)(i / 50)) % 4;
        l->ends[i + 1] = l->ends[i] + (calm == 0 ? 0.0 : 50.0 + d % (1 + calm * 400) * 0.37);
        arrivals[i] = calm == 1 ? 1000.0 : (d >> 16) % 400;
    }
}

/* Fills best as a bound would: arrivals or what the resource answers. The starts found. */
static void run(struct cut *c, struct line *l, const double *arrivals, int n, int *starts)
{
    cut_begin(c, l->ends, l->best, n, 12.5, 1.0, 30.0);
    l->best[0] = 3.0;
    for (int j = 1; j <= n; j++) {
        cut_add(c, j - 1);
        starts[j] = cut_start(c, j);
        l->best[j] = fmin(l->best[j - 1] + arrivals[j - 1],
                          l->best[starts[j]] + floor(cut_cost(c, starts[j], j)));
    }
}

static struct line line;
static double arrivals[MOST];
static int starts[MOST + 1];

static void no_start_is_better(void **state)
{
    (void)state;
    struct arena arena;
    struct cut c;
    int far = 0;
    arena_init(&arena);
    assert_int_equal(cut_init(&c, &arena, 300), ERR_OK);
    for (uint32_t world = 0; world < 200; world++) {
        const int n = 1 + (int)(draw(world, 1u << 20) % 300);
        line_draw(&line, arrivals, world, n);
        run(&c, &line, arrivals, n, starts);
        for (int j = 1; j <= n; j++) {
            const double found = line.best[starts[j]] + cut_cost(&c, starts[j], j);
            for (int i = 0; i < j; i++) {
                assert_true(found <= (line.best[i] + cut_cost(&c, i, j)) * (1 + 1e-12));
            }
            far += starts[j] < j - 20;
        }
    }
    assert_true(far > 1000); /* long windows do occur */
    arena_release(&arena);
}

static void work_grows_with_the_windows(void **state)
{
    (void)state;
    struct arena arena;
    struct cut c;
    arena_init(&arena);
    assert_int_equal(cut_init(&c, &arena, MOST), ERR_OK);
    line_draw(&line, arrivals, 1, MOST);
    run(&c, &line, arrivals, MOST / 10, starts);
    const double tried = (double)c.tried;
    run(&c, &line, arrivals, MOST, starts);
    print_message("# %.1f and %.1f costs a window\n", tried / (MOST / 10), (double)c.tried / MOST);
    assert_true((double)c.tried < 15 * tried); /* trying all starts: 100 */
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_start_is_better),
                                       cmocka_unit_test(work_grows_with_the_windows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

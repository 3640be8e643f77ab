/* What a learner waits for leaves, or the job ends. */
#include "mpi/comm/exchange.h"

#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

/* Rank 1 simulates two tiles of rank 0, fails in the first, and its n_calls-th allocation from then
 * on fails, too (0: none). Returns how many messages left, unless the job ended. */
static int simulate(struct comm *comm, int64_t n_calls)
{
    int sim[] = {1, 1}, learn[] = {0, 0}, n = 0;
    const struct owners o = {.n_tiles = 2, .size = 2, .sim = sim, .learn = learn, .n_learners = 1};
    const struct env_spec spec = {.n_teams = 1};
    struct exchange x;
    struct buf got;
    exchange_init(&x, comm, &spec, NULL, NULL);
    buf_init(&got);
    comm->rank = 1;
    mem_fail_after(n_calls);
    exchange_send_errors(&x, &o, 0, 0, ERR_FAILED);
    mem_fail_after(0);
    comm->rank = 0;
    for (bool more = true; more; n += more) {
        if (comm_try_recv(comm, COMM_ANY, COMM_TAG_TILE, &got, NULL, &more) != ERR_OK) {
            return -1;
        }
    }
    buf_release(&got);
    exchange_release(&x);
    return n;
}

static void test_error_that_cannot_leave(void **state)
{
    (void)state;
    struct comm comm;
    struct heard heard;
    int argc = 0, status = 0;
    char **argv = NULL;
    OK(comm_init(&comm, &argc, &argv));
    heard_begin(&heard);
    assert_int_equal(simulate(&comm, 0), 2);
    for (int64_t n_calls = 1; n_calls <= 3; n_calls++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            _exit(100 + simulate(&comm, n_calls));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), err_exit_code(ERR_MEMORY));
    }
    heard_end();
    comm_finalize(&comm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_error_that_cannot_leave)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

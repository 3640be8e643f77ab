/* The state vector: names are unique, the nine features of the paper stand where it has them, and
 * the documentation columns are complete. */
#include "core/plant/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_complete(const struct feature_info *info, int n)
{
    for (int i = 0; i < n; i++) {
        assert_true(strlen(info[i].name) > 0);
        assert_true(strlen(info[i].doc) > 0);
        assert_non_null(info[i].unit);
        assert_true(info[i].obs == 0 || info[i].obs == 1);
        for (int other = 0; other < i; other++) {
            assert_string_not_equal(info[i].name, info[other].name);
        }
    }
}

static void test_lists_are_complete(void **state)
{
    (void)state;
    assert_complete(service_feature_info, SERVICE_FEATURES);
    assert_complete(global_feature_info, GLOBAL_FEATURES);
}

/* arXiv 2505.21559, state space: number, deployed, desired and failed pods, queue, CPU, memory,
 * received and transmitted traffic. */
static void test_nine_features_of_the_paper(void **state)
{
    (void)state;
    const char *const paper[] = {"id",  "deployed", "desired", "failed_pods", "queue",
                                 "cpu", "ram",      "net_in",  "net_out"};
    int n = 0;
    for (int i = 0; i < SERVICE_FEATURES; i++) {
        if (service_feature_info[i].paper) {
            assert_string_equal(service_feature_info[i].name, paper[n]);
            n++;
        }
    }
    assert_int_equal(n, 9);
    for (int i = 0; i < GLOBAL_FEATURES; i++) {
        assert_int_equal(global_feature_info[i].paper, 0);
    }
}

/* What only the Kubernetes rule needs stays out of a policy's sight. */
static void test_policies_do_not_see_the_hpa_columns(void **state)
{
    (void)state;
    for (int i = 0; i < SERVICE_FEATURES; i++) {
        bool is_hpa = strncmp(service_feature_info[i].name, "hpa_", 4) == 0;
        assert_true(!is_hpa || !service_feature_info[i].obs);
    }
    assert_int_equal(service_feature_info[SF_UTIL_10S].obs, 1);
    assert_string_equal(service_feature_info[SF_UTIL_10S].name, "util_10s");
    assert_string_equal(global_feature_info[GF_ENTRY_5S].name, "entry_5s");
}

static void test_places_fill_the_vector(void **state)
{
    (void)state;
    enum { N = 4 };
    int expected = 0;
    for (int s = 0; s < N; s++) {
        for (int i = 0; i < SERVICE_FEATURES; i++) {
            assert_int_equal(state_service_at(s, (enum service_feature)i), expected++);
        }
    }
    for (int i = 0; i < GLOBAL_FEATURES; i++) {
        assert_int_equal(state_global_at(N, (enum global_feature)i), expected++);
    }
    assert_int_equal(state_size(N), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_are_complete),
        cmocka_unit_test(test_nine_features_of_the_paper),
        cmocka_unit_test(test_policies_do_not_see_the_hpa_columns),
        cmocka_unit_test(test_places_fill_the_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

"""Tests that the ordinary run leaves out whole, because they take long; each with one that keeps its promise there.

They are run by `--rest` and `--all`. What keeps a promise may be smaller: a stand-in for a real agent, one process in
place of several, or one moment of many. Those of one family and file are in `left_in_families.toml`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

FAMILIES: Final[dict[str, dict[str, list[str]]]] = tomllib.loads(
    Path(__file__).with_name("left_in_families.toml").read_text(encoding="utf-8")
)

_SHARES = "cli/test_cli_shares.py::test_agents_at_once_never_cost_more_than_the_budget_and_a_reservation"
_TURNS = "cli/test_cli_interact_terminal.py::test_batch_at_a_terminal_answers_once_and_lists_the_defaults"
_MODEL = "soar/test_soar_model.py::test_a_model_plans_its_agents_look_and_it_writes"
_RECOVERY = "spawner/recovery/test_recovery_run.py"
_STREAMS = "spawner/test_backend_streams.py"
_E2E_JOB = "e2e/test_e2e_soar.py::test_the_main_job_with_nothing_configured"

LEFT_WHOLE: Final = {
    # A smaller command of the benchmark `attacks`; the families beside it are these attacks one by one.
    "faults/test_attacks.py::test_a_few_attacks_of_each_kind_are_withstood": (
        "faults/test_coordinator_crash.py::test_killed_around_the_write_of_a_fact"
    ),
    # In the ordinary run a real agent writes a file, goes on with its session, is gated, and leaves nothing running;
    # what it says on its bad days is read there from what was captured of it.
    "e2e/test_e2e_agents.py::test_its_events_can_be_followed_while_it_works": (
        f"{_STREAMS}::test_events_come_as_soon_as_their_lines_are_whole"
    ),
    "e2e/test_e2e_agents.py::test_two_rate_limits_cost_no_attempt": (
        f"{_RECOVERY}::test_a_rate_limit_costs_no_attempt"
    ),
    "e2e/test_e2e_agents.py::test_a_long_rate_limit_pauses_its_provider": (
        f"{_RECOVERY}::test_a_paused_provider_leaves_slots_to_others"
    ),
    "e2e/test_e2e_agents.py::test_a_refused_key_stops_the_provider_at_once": (
        f"{_RECOVERY}::test_a_refused_key_stops_the_provider_with_one_message"
    ),
    "e2e/test_e2e_agents.py::test_a_server_that_fails_for_ever_is_a_transient_failure": (
        f"{_STREAMS}::test_a_reported_failure_outweighs_exit_code_0_and_names_its_cause"
    ),
    "e2e/test_e2e_agents.py::test_a_connection_that_breaks_is_overcome": f"{_RECOVERY}::test_a_retry_heals",
    "e2e/test_e2e_agents.py::test_an_agent_that_waits_for_ever_is_ended_by_the_watchdog": (
        f"{_RECOVERY}::test_a_stalled_attempt_is_ended_and_recovered"
    ),
    "e2e/test_e2e_agents.py::test_a_huge_answer_comes_whole": (
        "spawner/test_backend_streams.py::test_a_huge_answer_comes_whole"
    ),
    "e2e/test_e2e_board.py::test_two_agents_finish_together_what_neither_can_alone": (
        "spawner/test_board_runs.py::test_two_agents_that_need_each_other_finish_what_neither_can_alone"
    ),
    "e2e/test_e2e_board.py::test_claude_code_finds_the_skill_that_init_writes": (
        "cli/test_cli_init.py::test_a_skill_is_written_only_if_the_user_wants_it"
    ),
    "e2e/test_e2e_mcp.py::test_claude_code_searches_and_has_tasks_done": (
        "cli/test_cli_mcp.py::test_the_memory_is_searched_and_looked_up"
    ),
    "e2e/test_e2e_sandbox.py::test_an_agent_works_and_cannot_write_outside": (
        "cli/test_cli_sandbox.py::test_the_option_puts_agents_into_a_sandbox_and_the_journal_says_so"
    ),
    "e2e/test_e2e_take_over.py::test_the_user_speaks_in_the_session_of_a_task_which_goes_on_in_it": (
        "cli/test_cli_take_over.py::test_a_kill_of_the_terminals_aur_ends_the_agents_program_and_the_task_goes_on"
    ),
    "e2e/test_e2e_transports.py::test_ten_turns_with_a_tool_a_question_an_interrupt_and_a_kill": (
        "cli/test_cli_interact.py::test_a_kill_in_the_middle_of_a_turn_loses_nothing_that_was_said"
    ),
    "e2e/test_e2e_transports.py::test_what_is_denied_does_not_happen": (
        "cli/test_cli_interact.py::test_batch_answers_by_the_stated_defaults_and_lists_them"
    ),
    "e2e/test_e2e_transports.py::test_ten_turns_with_a_model_an_interrupt_and_a_kill": (
        "cli/test_cli_interact_model.py::test_a_conversation_with_a_model_goes_on_after_a_kill_and_is_paid"
    ),
    "e2e/test_e2e_windows.py::test_a_usage_window_is_held_until_its_reset": (
        "spawner/recovery/test_recovery_windows.py::"
        "test_two_hours_with_a_kill_and_a_reboot_cost_no_start_and_no_attempt"
    ),
    "e2e/test_e2e_budget.py::test_however_many_at_once_never_cost_more_than_the_budget_and_a_reservation": _SHARES,
    "e2e/test_e2e_budget.py::test_what_ends_early_gives_its_share_to_those_that_need_more": (
        "cli/test_cli_shares.py::test_an_agent_goes_on_with_its_session_when_others_give_money_back"
    ),
    "e2e/test_e2e_budget.py::test_shares_are_still_counted_after_a_kill_of_the_coordinator": (
        "cli/test_cli_shares.py::test_one_that_came_to_its_share_while_nobody_coordinated_goes_on_with_its_session"
    ),
    "e2e/test_e2e_gate.py::test_an_agent_without_a_word_on_permissions_may_work_where_it_is_gated": (
        "spawner/gates/test_gate_runs.py::test_a_permissive_mode_is_used_only_with_a_gate"
    ),
    "e2e/test_e2e_gate.py::test_without_a_working_hook_nothing_happens": (
        "spawner/gates/test_gate_runs.py::test_a_gate_that_fails_or_hangs_denies_and_says_so"
    ),
    "e2e/test_e2e_gate.py::test_no_inherited_variable_turns_the_hook_off": (
        "spawner/test_backend_cli.py::test_modes_without_hooks_turn_the_gate_off_or_are_turned_off"
    ),
    "e2e/test_e2e_interact.py::test_a_lost_session_is_replaced_by_a_transcript": (
        "cli/test_cli_interact.py::test_an_agent_without_sessions_is_told_the_earlier_turns"
    ),
    "e2e/test_e2e_interact.py::test_a_provider_that_refuses_codex_fails_the_turn_and_not_the_process": (
        "spawner/test_conversation_app_server.py::test_garbage_is_passed_over_and_failures_are_told"
    ),
    "e2e/test_e2e_interact.py::test_what_codex_asks_by_its_hook_and_by_its_protocol_is_asked_once": (
        "spawner/test_conversation_sessions.py::test_a_call_that_a_hook_has_asked_about_is_not_asked_about_again"
    ),
    "e2e/test_e2e_interact.py::test_an_agent_asks_is_interrupted_and_goes_on_after_a_kill": (
        "cli/test_cli_interact.py::test_an_interrupt_ends_the_turn_and_not_the_session"
    ),
    "e2e/test_e2e_interact.py::test_a_model_is_sent_what_was_said_by_each_side": (
        "cli/test_cli_interact_model.py::test_a_conversation_with_a_model_goes_on_after_a_kill_and_is_paid"
    ),
    "e2e/test_e2e_interact.py::test_codex_resumes_its_session_turn_by_turn": (
        "e2e/test_e2e_agents.py::test_a_retry_goes_on_with_the_session_of_the_dead_attempt"
    ),
    "e2e/test_e2e_pool.py::test_dangerous_calls_are_stopped_on_the_worker_and_the_rest_is_merged_here": (
        "spawner/test_spawner_pool_gate.py::test_a_dangerous_call_is_stopped_on_the_worker_and_the_rest_is_merged"
    ),
    "e2e/test_e2e_soar.py::test_the_answer_is_found_again_and_own_logs_are_not": (
        "soar/test_soar_orchestrator.py::"
        "test_a_similar_question_is_told_of_the_earlier_answer_and_where_it_comes_from"
    ),
    "e2e/test_e2e_soar.py::test_the_log_holds_the_whole_execution": (
        "cli/test_cli_soar.py::test_json_is_the_conversation_logs_document"
    ),
    "e2e/test_e2e_soar.py::test_two_questions_at_once_in_one_folder": (
        "soar/test_aurora.py::test_several_questions_are_answered_at_once"
    ),
    "e2e/test_e2e_soar.py::test_a_question_about_nothing_here_says_so": (
        "cli/test_cli_soar.py::test_no_answer_with_a_source_is_a_goal_not_reached"
    ),
    "e2e/test_e2e_question.py::test_an_agent_plans_looks_and_writes": (
        "cli/test_cli_soar.py::test_a_named_agent_plans_looks_and_writes"
    ),
    "e2e/test_e2e_question.py::test_an_agent_that_is_not_signed_in_leaves_the_answer_from_memory": (
        "cli/test_cli_soar.py::test_a_tool_that_fails_leaves_the_answer_from_memory"
    ),
    "e2e/test_e2e_question.py::test_a_model_without_an_agent_plans_looks_and_writes": _MODEL,
    "e2e/test_e2e_question.py::test_the_transcript_tells_what_is_seen": _MODEL,
    "e2e/test_e2e_together.py::test_eight_tasks_are_done_although_one_agent_is_limited_and_one_is_broken": (
        "spawner/recovery/test_recovery_storm.py::test_a_fleet_of_two_runs_waits_for_its_provider_and_loses_no_attempt"
    ),
    "e2e/test_e2e_replan.py::test_an_agent_plans_the_rest_of_its_run_anew": (
        "cli/test_cli_replan.py::test_a_failed_run_names_the_command_and_goes_on_after_it"
    ),
    "e2e/test_e2e_worktrees.py::test_failed_checks_are_mended_a_conflict_is_kept_and_the_better_candidate_taken": (
        "spawner/workspaces/test_task_checks.py::test_a_failure_goes_back_to_the_agent_with_the_end_of_the_output"
    ),
    # The first of its commands is in the ordinary run; the second run holds each against what the page says.
    "e2e/test_e2e_tutorial.py::test_every_command_of_the_tutorial_prints_what_it_says": _E2E_JOB,
    "cli/test_cli_interact_acp.py::test_a_kill_in_an_answer_loses_nothing_and_leaves_nothing": (
        "cli/test_cli_interact.py::test_a_kill_in_the_middle_of_a_turn_loses_nothing_that_was_said"
    ),
    "cli/test_cli_comm.py::test_two_agents_talk_and_a_third_is_refused": (
        "spawner/test_board_runs.py::test_two_agents_that_need_each_other_finish_what_neither_can_alone"
    ),
    "cli/test_cli_dashboard_reach.py::test_each_page_is_wide_enough_named_and_of_enough_contrast": (
        "cli/test_cli_dashboard.py::test_runs_tasks_changes_and_pictures_are_shown"
    ),
    "cli/test_cli_dashboard_browser.py::test_a_run_is_watched_from_start_to_end": (
        "cli/test_cli_dashboard.py::test_a_run_is_watched_paused_and_cancelled"
    ),
    "cli/test_cli_dashboard_browser.py::test_branches_personas_comments_and_found_code_do_nothing_in_a_browser": (
        "cli/test_cli_dashboard_browser.py::test_what_agents_wrote_does_nothing_in_a_browser"
    ),
    "cli/test_cli_dashboard_browser.py::test_a_page_of_another_server_learns_and_does_nothing": (
        "cli/test_cli_dashboard.py::test_nobody_else_gets_in"
    ),
    "cli/test_cli_dashboard_sessions.py::test_a_person_talks_on_the_page": (
        "cli/test_cli_dashboard_sessions.py::test_a_session_is_read_and_gone_on_with_in_the_process_that_holds_it"
    ),
    "cli/test_cli_pictures.py::test_a_browser_reads_the_picture_without_an_error": (
        "cli/test_cli_pictures.py::test_any_text_makes_a_well_formed_picture"
    ),
    "cli/test_cli_dashboard_browser.py::test_the_memory_is_searched_with_the_keyboard": (
        "cli/test_cli_dashboard.py::test_the_memory_is_searched_with_scores_by_part"
    ),
    "cli/test_cli_dashboard_browser.py::test_comments_on_lines_go_to_the_same_agent": (
        "cli/test_cli_dashboard.py::test_comments_are_sent_unless_the_work_has_changed"
    ),
    "cli/test_cli_goals.py::test_a_goal_becomes_a_plan_that_spawn_runs_as_it_is": (
        "cli/test_cli_mcp.py::test_a_goal_is_planned_and_its_tasks_run"
    ),
    "cli/test_cli_installed.py::test_an_answer_from_a_fresh_folder": (
        "cli/test_cli_soar.py::test_a_folder_that_was_never_set_up_is_set_up_and_answered"
    ),
    "cli/test_cli_shadowing.py::test_soar_and_its_local_agent": (
        "cli/test_cli_shadowing.py::test_a_modules_command_imports_nothing_from_the_working_folder"
    ),
    "cli/test_cli_shadowing.py::test_a_run_in_the_background": (
        "cli/test_cli_shadowing.py::test_a_modules_command_imports_nothing_from_the_working_folder"
    ),
    "cli/test_cli_tmux.py::test_a_question_is_answered_from_the_view": (
        "cli/test_cli_watch_app.py::test_questions_are_answered_in_place"
    ),
    "cli/test_cli_tmux.py::test_a_run_in_the_background_is_watched_steered_and_seen_to_end": (
        "cli/test_cli_watch_app.py::test_a_real_run_is_read_followed_and_ends_meanwhile"
    ),
    "cli/test_cli_tmux.py::test_the_approval_prompt_of_a_run_in_the_foreground": (
        "cli/test_cli_approvals.py::test_a_run_in_the_foreground_asks_at_its_terminal"
    ),
    "cli/test_cli_tmux.py::test_the_review_of_a_plan": (
        "cli/test_cli_goals.py::test_the_review_decides_at_the_terminal"
    ),
    "fuzz/test_fuzz_memory.py::test_a_small_value_that_unpacks_to_gigabytes_is_damage": (
        "core/test_core_store.py::test_a_bomb_is_not_unpacked_beyond_the_limit"
    ),
    "policies/test_check_fuzz.py::test_a_hundred_thousand_fuzzed_commands_are_answered": (
        "policies/test_check_fuzz.py::test_fuzzed_commands_are_answered"
    ),
    "faults/test_candidates_crash.py::test_killed_around_a_git": (
        "faults/test_candidates_crash.py::test_killed_around_a_fact"
    ),
    "faults/test_pool_crash.py::test_what_a_pool_does_not_run_is_refused_and_recorded": (
        "spawner/test_spawner_pool.py::test_a_worker_runs_no_agent_but_its_own"
    ),
    "faults/test_ssh_crash.py::test_the_coordinator_is_killed_at_each_step_and_a_resume_adopts": (
        "spawner/test_spawner_ssh.py::test_another_coordinator_adopts_and_a_late_start_is_fenced_off"
    ),
    # Two seeds of the command `benchmarks/recovery/pool.py`.
    "faults/test_pool_storm.py::test_a_run_comes_through_a_storm": (
        "faults/test_pool_trees_crash.py::test_a_worker_is_killed_at_each_step_and_its_next_process_goes_on"
    ),
    "faults/test_random_worktree_runs.py::test_nothing_is_lost_in_a_random_run": (
        "faults/test_worktree_crash.py::test_killed_around_a_fact"
    ),
    "faults/test_worktree_crash.py::test_killed_around_a_kind_of_fact": (
        "faults/test_worktree_crash.py::test_killed_around_a_fact"
    ),
    "faults/test_coordinator_crash.py::test_killed_again_and_again_at_random_times": (
        "faults/test_coordinator_crash.py::test_killed_at_the_first_write_of_a_kind"
    ),
    "soar/test_soar_orchestrator.py::test_answers_cross_projects_with_consent_only": (
        "cli/test_cli_mem.py::test_answers_are_shared_between_projects_that_both_say_so"
    ),
    "spawner/recovery/test_recovery_liveness.py::test_hung_agents_are_found_and_busy_ones_left_alone": (
        f"{_RECOVERY}::test_a_stalled_attempt_is_ended_and_recovered"
    ),
    "spawner/workspaces/test_worktrees.py::test_killed_while_it_makes_one_the_next_start_makes_it": (
        "faults/test_worktree_crash.py::test_killed_around_a_fact"
    ),
    "soar/test_soar_readme.py::test_soar_s_example_answers_with_a_source": _E2E_JOB,
    "soar/test_soar_model.py::test_a_model_that_fails_altogether_leaves_the_local_answer": (
        "cli/test_cli_soar.py::test_a_tool_that_fails_leaves_the_answer_from_memory"
    ),
    **{
        f"{file}::{test}": f"{file}::{keeper}"
        for file, keepers in FAMILIES.items()
        for keeper, tests in keepers.items()
        for test in tests
    },
}
"""Each test that is left out, below this folder, and the one that keeps its promise in the ordinary run; of a family,
the one that stays there, which keeps what all of it rests on."""

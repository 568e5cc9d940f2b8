"""Tests of long families that the ordinary run leaves out: whole runs with real git, real processes, or a browser.

Each stands below the test of its family, in the same file, that the ordinary run keeps. `--rest` and `--all` run all.
"""

from __future__ import annotations

from typing import Final

FAMILIES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "cli/test_cli_approvals.py": {
        "test_an_answer_without_a_process_counts_at_the_resume": (
            "test_a_question_is_listed_and_answered_from_another_terminal",
            "test_what_is_approved_for_the_run_is_shown_listed_and_taken_back",
        ),
        "test_a_run_in_the_foreground_asks_at_its_terminal": ("test_other_policies_are_tried_on_earlier_work",),
    },
    "cli/test_cli_ask.py": {
        "test_an_agent_gets_the_words_of_the_user": (
            "test_a_call_that_was_cut_off_asks_nothing_new",
            "test_an_agent_gets_the_words_that_were_typed_on_the_page",
        ),
    },
    "cli/test_cli_attach.py": {
        "test_what_the_session_asks_is_answered_by_an_attached_one_and_the_first_answer_counts": (
            "test_two_attached_see_all_that_was_said_and_their_turns_go_to_the_session",
        ),
        "test_a_run_whose_process_is_killed_is_told_and_its_questions_can_be_answered": (
            "test_a_session_whose_process_is_killed_or_goes_on_elsewhere_is_told",
        ),
    },
    "cli/test_cli_attach_terminal.py": {
        "test_a_run_is_watched_at_a_terminal_which_detaches_from_it": (
            "test_two_terminals_talk_in_one_session_and_a_kill_of_its_process_is_told",
        ),
    },
    "cli/test_cli_audit.py": {
        "test_an_export_is_verified_and_names_what_it_has": ("test_a_range_has_the_events_of_its_time_alone",),
    },
    "cli/test_cli_budget.py": {
        "test_a_question_tells_the_budget_as_the_ledger_has_it": (
            "test_a_question_of_an_agent_that_costs_is_in_the_budget_that_it_tells",
        ),
        "test_a_run_that_has_passed_its_budget_ends_with_a_word_of_it": (
            "test_a_warning_is_told_once_by_a_run_in_the_background",
        ),
    },
    "cli/test_cli_candidates.py": {
        "test_candidates_are_listed_and_one_is_picked": (
            "test_the_command_line_asks_for_candidates_and_a_resume_still_knows_them",
        ),
    },
    "cli/test_cli_conflicts.py": {
        "test_an_agent_resolves_and_every_view_tells_who": (
            "test_a_persona_resolves_as_the_default_agent",
            "test_a_run_that_ended_before_its_merge_knows_who_resolves",
        ),
    },
    "cli/test_cli_dashboard.py": {
        "test_runs_tasks_changes_and_pictures_are_shown": (
            "test_a_run_that_is_no_longer_listed_has_its_page",
            "test_the_work_of_a_run_is_listed",
        ),
        "test_a_run_is_watched_paused_and_cancelled": ("test_a_run_without_a_process_goes_on_in_the_background",),
        "test_a_page_that_was_cut_off_misses_nothing": ("test_a_client_that_does_not_read_holds_nobody_up",),
    },
    "cli/test_cli_dashboard_sessions.py": {
        "test_a_session_is_read_and_gone_on_with_in_the_process_that_holds_it": (
            "test_a_session_that_nobody_holds_goes_on_in_the_background",
        ),
    },
    "cli/test_cli_diff.py": {
        "test_a_run_shows_what_its_merged_tasks_have_changed_and_not_what_others_did": (
            "test_a_merged_task_and_a_discarded_one_can_still_be_seen",
        ),
    },
    "cli/test_cli_discard.py": {
        "test_a_resume_does_not_merge_discarded_work": (
            "test_work_in_the_middle_of_a_merge_can_be_discarded",
            "test_work_that_a_killed_merge_has_integrated_is_left_out_by_the_next",
        ),
        "test_discarded_work_is_in_the_attic_with_its_uncommitted_files": (
            "test_commits_that_the_agent_left_are_kept_too",
        ),
    },
    "cli/test_cli_exec.py": {
        "test_a_check_decides_whether_it_is_done_and_needs_no_trust_of_a_file": (
            "test_candidates_run_side_by_side_and_the_result_is_of_the_one_taken",
            "test_in_the_background_it_runs_without_this_process_and_its_checks_too",
            "test_work_in_a_worktree_is_merged_when_the_user_agrees_beforehand",
        ),
    },
    "cli/test_cli_goals.py": {},
    "cli/test_cli_installed.py": {
        "test_closed_streams_are_no_fault": ("test_a_reader_that_leaves_ends_it_quietly",),
        "test_an_interrupt_while_agents_answer_leaves_none_of_them": (
            "test_an_interrupt_while_indexing_ends_it_and_the_next_run_goes_on",
        ),
    },
    "cli/test_cli_interact.py": {
        "test_a_kill_in_the_middle_of_a_turn_loses_nothing_that_was_said": (
            "test_a_killed_session_can_be_ended_and_still_be_gone_on_with",
            "test_an_answer_that_comes_after_a_kill_reaches_the_agent_with_the_next_turn",
        ),
        "test_an_agent_without_sessions_is_told_the_earlier_turns": (
            "test_a_session_whose_agent_is_gone_goes_on_with_another",
            "test_the_agent_can_be_changed_back_and_forth_and_each_knows_what_was_said_and_stays_warm",
        ),
    },
    "cli/test_cli_interact_model.py": {
        "test_a_conversation_with_a_model_goes_on_after_a_kill_and_is_paid": (
            "test_a_model_without_a_key_or_a_price_is_named_and_another_goes_on",
        ),
    },
    "cli/test_cli_interact_team.py": {
        "test_a_team_whose_aur_is_killed_goes_on_and_the_talk_has_its_results": (
            "test_the_plan_is_reviewed_at_the_terminal_and_the_work_is_merged_from_the_prompt",
        ),
    },
    "cli/test_cli_interact_terminal.py": {
        "test_a_conversation_at_the_prompt": (
            "test_a_pasted_text_of_5000_lines_is_one_turn",
            "test_what_is_typed_while_an_agent_answers_stands_at_the_next_prompt_and_not_in_the_answer",
        ),
        "test_control_c_at_the_prompt_and_in_a_turn": (
            "test_a_question_is_asked_at_the_prompt_and_control_c_at_it_ends_the_turn",
        ),
    },
    "cli/test_cli_lessons.py": {
        "test_a_mended_check_is_told_next_time_counted_and_forgotten": (
            "test_a_terminal_asks_once_and_the_answer_is_the_users_own_setting",
            "test_what_had_ended_an_attempt_is_told_to_the_next_agent",
            "test_what_the_user_commented_is_told_to_the_next_agent",
        ),
        "test_nothing_is_kept_or_told_without_consent": ("test_a_damaged_file_is_named_and_stops_no_run",),
    },
    "cli/test_cli_mcp.py": {
        "test_the_memory_is_searched_and_looked_up": ("test_over_standard_input_a_hundred_calls_at_once",),
        "test_a_run_is_a_task_of_a_client_that_knows_tasks": ("test_a_run_is_cancelled",),
    },
    "cli/test_cli_merge.py": {
        "test_one_task_is_merged_with_what_it_depends_on_and_the_rest_waits": (
            "test_a_conflict_that_a_person_resolved_in_the_worktree_is_merged",
            "test_a_failed_task_is_merged_if_it_is_named",
        ),
        "test_at_a_terminal_it_asks_before_the_target_moves": (
            "test_the_delivery_after_the_question_does_not_check_again",
        ),
        "test_waiting_work_is_delivered_and_its_worktrees_go": (
            "test_the_target_is_the_branch_of_the_start_and_not_the_one_that_is_checked_out_now",
        ),
    },
    "cli/test_cli_merge_gate.py": {
        "test_at_a_terminal_there_is_one_question_and_its_answer_is_in_the_journal": (
            "test_a_question_at_a_terminal_about_work_that_another_process_delivers_is_over",
            "test_a_question_at_a_terminal_that_another_process_answers_is_over",
            "test_a_run_that_delivers_by_itself_asks_at_its_terminal",
            "test_the_question_at_the_end_of_a_run_is_the_approval",
        ),
        "test_nobody_is_asked_about_what_an_uncommitted_change_keeps_from_the_branch": (
            "test_at_a_terminal_nobody_is_asked_about_what_an_uncommitted_change_refuses",
        ),
        "test_yes_leaves_the_question_to_aur_approve_and_the_next_call_delivers": (
            "test_an_open_question_of_other_work_is_withdrawn",
            "test_the_answer_comes_before_the_wait_for_an_approval",
        ),
        "test_an_approval_covers_the_commits_that_it_was_given_for_and_no_others": (
            "test_a_denied_approval_keeps_the_branch_and_a_new_call_asks_anew",
        ),
        "test_a_branch_that_is_not_protected_is_delivered_to_at_once": (
            "test_a_branch_that_the_file_names_is_protected",
        ),
    },
    "cli/test_cli_pr.py": {
        "test_the_integration_branch_is_pushed_and_a_pull_request_opened_once": (
            "test_a_branch_that_has_other_commits_there_is_not_overwritten",
            "test_a_forge_that_fails_leaves_the_pushed_branch_and_a_second_call_opens_it",
            "test_gitlabs_program_opens_a_merge_request",
        ),
    },
    "cli/test_cli_replan.py": {
        "test_a_failed_run_names_the_command_and_goes_on_after_it": (
            "test_new_tasks_in_worktrees_build_on_the_finished_work_and_all_of_it_is_delivered",
        ),
    },
    "cli/test_cli_runs.py": {
        "test_a_run_in_the_background_is_watched_and_steered_from_elsewhere": (
            "test_a_run_whose_agent_is_not_configured_any_more_says_so",
            "test_a_task_and_then_its_run_are_cancelled_from_elsewhere",
            "test_another_task_file_goes_along_into_the_background",
        ),
        "test_a_second_run_of_a_file_at_work_is_refused_but_by_force": (
            "test_a_run_at_work_refuses_the_options_of_a_resume_and_names_them",
        ),
    },
    "cli/test_cli_soar.py": {
        "test_a_killed_question_can_be_cancelled_with_its_agent": (
            "test_a_killed_question_goes_on_with_the_agent_that_still_works",
        ),
    },
    "cli/test_cli_spawn_worktrees.py": {
        "test_what_conflicts_is_named_and_its_box_stays_open": (
            "test_the_policies_name_the_branches_and_everything_finds_them_again",
            "test_the_ticks_of_an_earlier_run_are_not_in_the_way_of_a_later_one",
        ),
        "test_uncommitted_changes_are_not_merged_with_the_work": ("test_uncommitted_changes_join_if_asked_to",),
        "test_without_a_terminal_nothing_is_merged_unasked": (
            "test_a_resume_merges_unasked_only_if_the_user_agrees",
        ),
    },
    "cli/test_cli_take_over.py": {
        "test_a_kill_of_the_terminals_aur_ends_the_agents_program_and_the_task_goes_on": (
            "test_a_kill_of_the_coordinator_leaves_the_task_to_the_user_and_a_resume_holds_it",
            "test_the_user_works_in_the_session_and_the_task_goes_on_when_they_leave",
        ),
    },
    "cli/test_cli_task_checks.py": {
        "test_a_check_of_a_task_file_needs_trust_and_yes_is_none": ("test_a_terminal_asks_once",),
    },
    "cli/test_cli_tmux.py": {
        "test_the_view_ends_with_its_terminal_and_on_a_signal": (
            "test_a_crashed_run_is_told_with_the_command_that_resumes_it_and_another_size_is_drawn",
        ),
    },
    "cli/test_cli_worktrees.py": {
        "test_integrated_work_that_was_not_delivered_is_kept": (
            "test_runs_clean_does_not_forget_a_run_with_work_that_is_not_merged",
            "test_unmerged_work_is_never_removed_and_goes_after_it_was_merged_by_hand",
        ),
    },
    "core/test_core_memory.py": {
        "test_small_changes_do_not_pile_up_segments": ("test_many_small_updates_are_merged",),
    },
    "core/test_core_workers.py": {
        "test_a_file_that_kills_its_worker_is_named_and_the_others_are_indexed": (
            "test_a_killed_worker_s_batch_is_prepared_by_another",
            "test_nothing_is_left_when_indexing_is_interrupted",
        ),
        "test_an_index_made_by_workers_is_that_of_one_process": (
            "test_batches_are_those_of_one_process_in_the_same_order",
        ),
    },
    "faults/test_approvals_crash.py": {
        "test_killed_around_a_fact": (
            "test_a_grant_given_without_a_coordinator_answers_what_it_covers",
            "test_seven_at_once_are_each_answered_once_across_a_kill",
        ),
    },
    "faults/test_conflict_crash.py": {
        "test_killed_around_a_fact": ("test_killed_around_a_git",),
    },
    "faults/test_merge_gate_crash.py": {
        "test_killed_around_a_fact": (
            "test_a_question_that_was_answered_without_a_process_counts_for_a_resume",
            "test_a_run_that_waits_can_be_cancelled_and_its_work_merged_later",
            "test_ctrl_c_leaves_the_question_and_a_resume_asks_it_again",
            "test_killed_after_the_target_has_moved_and_before_the_journal_knows",
        ),
    },
    "faults/test_pool_docs.py": {
        "test_the_roles_and_tokens_of_the_document_let_a_worker_in": (
            "test_each_command_of_the_document_does_what_it_says",
            "test_two_machines_and_no_database_as_the_document_has_them",
        ),
    },
    "faults/test_pool_trees_crash.py": {
        "test_a_worker_is_killed_at_each_step_and_its_next_process_goes_on": (
            "test_a_sandboxed_agent_commits_in_its_worktree_and_changes_nothing_else",
            "test_the_coordinator_is_killed_at_each_step_and_a_resume_goes_on",
        ),
    },
    "faults/test_prepared_worktree_crash.py": {
        "test_killed_around_its_fact": ("test_killed_around_a_git", "test_killed_in_the_middle_of_a_copy"),
    },
    "faults/test_programs_that_die.py": {
        "test_without_a_journal_agents_end_with_their_program": (
            "test_without_a_journal_agents_end_though_the_fork_server_was_killed_before",
        ),
    },
    "faults/test_ssh_crash.py": {
        "test_the_program_of_the_host_is_killed_at_each_step_and_the_next_one_goes_on": (
            "test_a_cancel_from_outside_ends_the_agent_on_the_host",
        ),
    },
    "faults/test_worktree_crash.py": {
        "test_killed_around_a_fact": (
            "test_killed_around_a_git",
            "test_killed_while_it_looks_for_conflicts",
            "test_resumed_although_it_has_ended",
        ),
    },
    "faults/test_worktrees_on_a_full_disk.py": {
        "test_the_work_on_a_workers_full_disk_stays_and_is_pushed_once_there_is_room": (
            "test_a_disk_that_is_really_full_loses_nothing",
        ),
    },
    "soar/test_aurora.py": {
        "test_a_file_that_a_run_works_on_is_not_run_twice": ("test_a_script_runs_a_task_file_is_killed_and_resumes",),
    },
    "soar/test_pool_budget.py": {
        "test_an_attempt_waits_until_the_budget_can_be_asked": (
            "test_coordinators_in_processes_of_their_own_share_one_budget",
        ),
    },
    "soar/test_soar_reuse.py": {
        "test_a_changed_file_is_never_answered_from_the_cache": (
            "test_a_change_elsewhere_leaves_the_first_answer_in_use",
            "test_after_a_commit_nothing_is_answered_from_the_cache",
        ),
    },
    "spawner/recovery/test_recovery_crash.py": {
        "test_killed_around_the_write_of_a_fact_everything_is_as_before": ("test_killed_again_and_again",),
    },
    "spawner/recovery/test_recovery_storm.py": {
        "test_a_fleet_of_two_runs_waits_for_its_provider_and_loses_no_attempt": (
            "test_a_storm_comes_out_as_the_policy_computes",
        ),
    },
    "spawner/test_conversation_model.py": {
        "test_each_turn_is_sent_with_those_before_it": ("test_a_provider_that_is_asked_too_much_is_waited_for",),
    },
    "spawner/test_file_claims.py": {
        "test_a_claim_outlives_its_coordinator": (
            "test_a_task_between_two_attempts_keeps_its_files_over_a_resume",
            "test_what_a_task_was_seen_to_change_is_told_to_others_after_a_kill_of_the_coordinator",
        ),
        "test_one_task_is_not_merged_without_what_it_started_from": (
            "test_what_a_task_started_from_is_merged_with_it_and_named_when_it_is_discarded",
            "test_work_that_cannot_be_merged_is_left_to_the_merge_of_the_run",
        ),
        "test_declared_overlaps_are_serialised_and_nothing_conflicts": (
            "test_other_tasks_are_not_held_up_and_are_told",
        ),
    },
    "spawner/test_handing_over.py": {
        "test_a_retry_is_told_what_the_dead_attempt_left": (
            "test_a_json_prompt_stays_json",
            "test_a_resume_that_tries_a_failed_task_again_reads_the_note_from_the_disk",
            "test_a_task_that_was_edited_is_not_told_of_the_old_one",
            "test_what_an_attempt_left_is_looked_at_only_for_a_note",
        ),
    },
    "spawner/test_spawner_pool.py": {
        "test_a_worker_without_the_database_ends_its_agents_when_their_lease_is_over": (
            "test_a_result_waits_for_a_database_that_was_killed",
        ),
    },
    "spawner/test_spawner_pool_gate.py": {
        "test_a_dangerous_call_is_stopped_on_the_worker_and_the_rest_is_merged": (
            "test_the_next_process_of_a_worker_judges_for_the_agents_of_a_killed_one",
        ),
    },
    "spawner/test_spawner_pool_prepared.py": {
        "test_a_failed_set_up_fails_the_attempt_before_its_agent_begins": (
            "test_a_cancelled_task_ends_its_set_up_with_all_that_it_has_started",
            "test_a_worker_without_a_checkout_says_what_it_cannot_give",
        ),
    },
    "spawner/test_spawner_pool_trees.py": {
        "test_a_retry_starts_from_what_the_failed_attempt_has_left": (
            "test_twelve_tasks_with_dependencies_and_one_conflict_over_two_workers",
        ),
        "test_a_zombies_push_is_fenced_off_and_its_work_stays_with_it": (
            "test_what_a_dead_worker_had_pushed_is_in_the_attic_and_not_merged",
        ),
        "test_a_refused_push_names_where_the_work_is": (
            "test_a_repository_that_is_away_is_waited_for_on_both_sides",
        ),
    },
    "spawner/test_spawner_ssh.py": {
        "test_a_connection_cut_around_a_request_costs_nothing": (
            "test_a_killed_supervisor_costs_an_attempt_and_its_agent_ends",
        ),
    },
    "spawner/workspaces/conflicts/test_regenerating.py": {
        "test_two_agents_change_manifest_and_lock_and_both_arrive": (
            "test_a_dependant_starts_from_lock_files_that_were_made_again",
            "test_a_lock_file_that_merges_line_by_line_is_made_again_too",
            "test_each_file_of_a_pattern_is_named_to_the_command",
            "test_only_what_matches_the_pattern_is_taken",
            "test_the_change_of_a_run_is_without_that_of_a_target_that_moved",
            "test_the_forecast_does_not_count_generated_files",
        ),
        "test_why_files_were_not_made_again_for_a_target_that_moved_is_told": (
            "test_a_command_that_fails_leaves_the_task_unmerged_with_its_output",
            "test_files_in_conflict_with_a_target_that_moved_are_named",
            "test_what_made_files_again_for_a_target_that_moved_is_told",
        ),
    },
    "spawner/workspaces/conflicts/test_resolving_runs.py": {
        "test_a_third_agent_resolves_and_both_changes_arrive": (
            "test_a_deletion_against_an_edit_is_a_conflict_too",
            "test_a_resolution_waits_for_the_user_as_other_work_does",
            "test_generated_files_are_made_again_from_the_resolution",
            "test_it_reads_both_intents_both_diffs_and_the_base",
            "test_markers_have_the_size_that_the_attribute_says",
            "test_one_conflict_after_the_other",
        ),
        "test_a_result_that_is_none_leaves_the_conflict_and_goes_to_the_attic": (
            "test_a_result_that_fails_the_check_goes_back_and_then_to_the_attic",
            "test_a_second_try_starts_from_the_conflict_again",
            "test_a_task_that_was_edited_makes_its_resolution_useless",
            "test_what_goes_wrong_with_each_merge_is_told_once",
        ),
        "test_a_file_may_be_kept_as_it_is_if_the_agent_says_so": ("test_an_agent_that_does_nothing_keeps_no_file",),
    },
    "spawner/workspaces/test_candidate_runs.py": {
        "test_checks_come_before_the_size_of_the_change": (
            "test_candidates_of_different_agents_take_turns",
            "test_what_was_changed_counts_more_than_nothing",
        ),
        "test_candidates_that_all_fail_fail_the_task_with_every_reason": (
            "test_a_cancelled_task_ends_all_its_candidates_and_a_candidate_only_itself",
        ),
        "test_nothing_is_taken_until_the_user_picks_and_then_the_run_goes_on": (
            "test_a_choice_that_falls_on_work_from_the_attic_gives_it_its_branch_again",
            "test_another_one_is_picked_while_the_work_is_not_on_the_target",
            "test_the_work_of_the_task_is_discarded_as_that_of_its_candidate",
            "test_what_cannot_be_picked_is_refused_with_the_reason",
        ),
        "test_a_third_candidate_joins_the_two_that_are_done": (
            "test_a_candidate_that_is_wanted_no_longer_is_not_chosen",
            "test_a_candidate_that_lost_does_not_run_again",
            "test_a_task_that_has_no_candidates_any_longer_runs_once",
            "test_an_edited_task_starts_all_its_candidates_over",
        ),
        "test_comments_are_for_the_candidate_that_was_taken": (
            "test_a_candidate_that_fails_after_comments_is_no_longer_taken",
            "test_a_pick_that_fails_after_comments_is_asked_for_again",
            "test_comments_on_the_taken_candidate_let_the_choice_be_made_again",
        ),
    },
    "spawner/workspaces/test_checked_runs.py": {
        "test_a_check_ends_with_its_run_and_a_resume_completes_it": (
            "test_a_check_whose_files_cannot_be_deleted_ends_no_run",
            "test_a_check_whose_program_is_missing_fails_no_task",
        ),
        "test_two_that_are_green_alone_and_red_together_are_named": (
            "test_a_check_that_fails_on_the_base_blames_nobody",
            "test_what_was_merged_without_checks_is_checked_before_it_is_delivered",
        ),
    },
    "spawner/workspaces/test_commenting.py": {
        "test_comments_are_worked_in_and_merged": (
            "test_an_edited_task_starts_over_without_the_comments",
            "test_comments_on_failed_work_go_back_too",
        ),
        "test_lines_that_were_cut_off_or_whose_file_is_gone_have_moved_on": (
            "test_a_line_that_has_changed_refuses_all_comments_and_nothing_happens",
            "test_what_cannot_be_commented_on_is_said",
        ),
    },
    "spawner/workspaces/test_confined_merges.py": {
        "test_they_change_nothing_outside_of_their_checkout": (
            "test_it_is_told_if_none_holds",
            "test_nothing_is_delivered_if_one_is_required_and_none_holds",
        ),
    },
    "spawner/workspaces/test_conflict_watch.py": {
        "test_a_conflict_is_told_while_both_run_and_withdrawn": (
            "test_a_conflict_with_work_that_has_ended_is_told",
            "test_without_a_time_there_is_no_look",
        ),
    },
    "spawner/workspaces/test_diff_gate.py": {
        "test_of_candidates_a_person_is_asked_about_the_one_that_is_taken": (
            "test_a_candidate_that_waits_for_the_others_keeps_none_of_them_waiting_for_room",
            "test_after_a_no_the_next_best_candidate_is_asked_about",
            "test_after_a_resume_the_same_one_candidate_is_asked_about",
            "test_nobody_is_asked_about_candidates_worse_than_one_without_findings",
            "test_where_the_user_picks_all_candidates_are_asked_about",
        ),
    },
    "spawner/workspaces/test_isolated_faults.py": {
        "test_gc_by_the_user_during_the_run_loses_nothing": ("test_gc_during_the_check_of_a_merge_loses_nothing",),
        "test_a_dependant_whose_dependency_ran_again_starts_from_its_new_work": (
            "test_a_retry_of_a_dependant_whose_dependency_ran_again_starts_anew",
        ),
        "test_retry_failed_goes_on_where_the_task_had_failed": (
            "test_a_retry_goes_on_in_a_worktree_that_was_removed_or_unlinked",
        ),
        "test_an_edited_task_starts_from_a_fresh_base_and_its_old_work_is_in_the_attic": (
            "test_a_task_that_is_edited_while_it_is_cut_off_loses_nothing",
            "test_a_task_that_was_merged_and_then_edited_is_merged_without_its_old_work",
            "test_ignored_files_of_an_edited_task_are_set_aside",
            "test_old_work_that_cannot_be_put_away_stops_the_resume_and_stays",
        ),
    },
    "spawner/workspaces/test_isolated_runs.py": {
        "test_each_task_works_in_a_worktree_and_the_target_gets_all": (
            "test_a_run_in_a_folder_of_the_repository_works_in_that_folder",
        ),
        "test_a_dependant_of_work_that_conflicts_fails_and_says_why": (
            "test_of_six_tasks_the_clashing_ones_stay_on_their_branches",
        ),
    },
    "spawner/workspaces/test_merge_queue.py": {
        "test_two_that_are_good_alone_and_fail_together_are_named": (
            "test_a_base_that_fails_with_the_targets_new_commits_too_blames_nobody",
            "test_the_same_tree_is_checked_once",
        ),
        "test_whatever_agents_do_each_commit_is_merged_or_named": (
            "test_of_three_that_clash_and_three_that_do_not_nothing_is_lost",
        ),
    },
    "spawner/workspaces/test_prepared_runs.py": {
        "test_an_agent_finds_all_of_it_and_delivers_none_of_it": (
            "test_a_copy_that_an_agent_commits_by_force_stays_out_of_the_history",
            "test_checks_of_a_task_have_what_its_worktree_has",
            "test_odd_names_and_a_gitignore_that_takes_files_back",
        ),
        "test_beyond_the_cap_tasks_wait_until_others_have_ended_and_their_worktrees_are_given_back": (
            "test_two_runs_that_wait_for_each_others_room_do_not_wait_for_ever",
        ),
        "test_what_a_set_up_made_is_work_once_the_agent_changes_it": (
            "test_what_set_up_installed_is_no_work_until_somebody_changes_it",
        ),
    },
    "spawner/workspaces/test_reviews.py": {
        "test_a_reviewer_at_work_is_adopted_after_a_kill": (
            "test_a_reviewer_that_has_finished_is_not_asked_again",
            "test_a_verdict_in_the_journal_counts_after_a_kill",
            "test_an_interrupted_run_is_reviewed_by_its_resume",
            "test_the_end_of_an_abandoned_run_ends_its_reviewer_and_keeps_the_work",
        ),
        "test_work_that_is_sent_back_comes_again_with_its_reasons": (
            "test_a_failed_check_is_never_reviewed",
            "test_checks_run_again_on_what_a_review_has_changed",
        ),
        "test_a_reviewer_that_goes_on_without_a_repository_is_ended_and_asked_again": (
            "test_a_reviewer_that_breaks_the_worktree_does_not_break_the_task",
        ),
    },
    "spawner/workspaces/test_task_checks.py": {
        "test_a_failure_goes_back_to_the_agent_with_the_end_of_the_output": (
            "test_a_check_of_the_run_goes_back_to_the_agent_that_broke_it",
            "test_a_check_that_prints_nothing_is_asked_again_and_the_base_is_told",
            "test_the_checks_of_a_project_in_a_subfolder_run_there",
        ),
        "test_a_failed_check_is_remembered_over_a_kill": (
            "test_a_run_that_ends_while_it_checks_repeats_the_check_and_not_the_agent",
            "test_what_is_found_after_a_killed_check_goes_to_the_attic",
        ),
        "test_a_goal_is_pursued_until_it_is_reached": ("test_a_goal_is_given_up",),
        "test_the_rounds_are_counted_and_then_the_task_fails": (
            "test_failed_checks_open_no_circuit",
            "test_recovery_follows_the_rounds_and_tells_the_next_attempt_what_failed",
        ),
        "test_what_a_check_changes_is_put_back": (
            "test_a_check_that_removes_the_link_of_the_worktree_is_told_and_the_task_goes_on",
            "test_a_check_that_removes_the_worktree_loses_nothing_and_a_retry_goes_on",
        ),
        "test_work_that_needs_ignored_files_does_not_pass": ("test_what_the_commit_has_not_passes_no_check",),
        "test_a_check_that_hangs_is_ended_with_all_that_it_started": (
            "test_a_check_that_leaves_a_daemon_leaves_nothing",
        ),
    },
}
"""Each test that is left out, by the file of its family and by the test that stays."""

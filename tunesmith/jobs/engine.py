"""The stages that the control plane calls in process, gathered behind one name."""

from tunesmith.evaluation.answers import Question, Score, ask, evaluate_models, questions_of
from tunesmith.jobs.run import run_job
from tunesmith.modeling.answer import ChatModel, Sampling, load_chat_model
from tunesmith.modeling.inspect import ParameterCount, count_parameters
from tunesmith.modeling.load import check_folder
from tunesmith.modeling.pull import run_pull
from tunesmith.training.plan import TrainingPlan, plan_training
from tunesmith.training.preflight import Preflight, check_plan

__all__ = [
    "ChatModel",
    "ParameterCount",
    "Preflight",
    "Question",
    "Sampling",
    "Score",
    "TrainingPlan",
    "ask",
    "check_folder",
    "check_plan",
    "count_parameters",
    "evaluate_models",
    "load_chat_model",
    "plan_training",
    "questions_of",
    "run_job",
    "run_pull",
]

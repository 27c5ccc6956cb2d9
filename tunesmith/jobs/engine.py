"""The stages that the control plane calls in process, gathered behind one name."""

from tunesmith.jobs.run import run_job
from tunesmith.modeling.answer import ChatModel, Sampling, base_of, load_chat_model
from tunesmith.modeling.inspect import ParameterCount, count_parameters
from tunesmith.modeling.load import check_folder
from tunesmith.modeling.pull import run_pull
from tunesmith.serving.process import serve
from tunesmith.training.plan import TrainingPlan, plan_training
from tunesmith.training.preflight import Preflight, check_plan

__all__ = [
    "ChatModel",
    "ParameterCount",
    "Preflight",
    "Sampling",
    "TrainingPlan",
    "base_of",
    "check_folder",
    "check_plan",
    "count_parameters",
    "load_chat_model",
    "plan_training",
    "run_job",
    "run_pull",
    "serve",
]

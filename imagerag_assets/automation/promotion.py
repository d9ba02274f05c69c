"""The job by which a person promotes a generation in the UI."""

import dagster as dg
from pydantic import Field

from imagerag_assets.assets.common import ProjectResource, clear_failure
from imagerag_assets.errors import GenerationError
from imagerag_assets.evaluation.current import report_what_is_live
from imagerag_assets.retrieval import generations, switching


class PromotionConfig(dg.Config):
    """Which generation."""

    generation: int = Field(default=0, ge=0, description="Its number; 0: the candidate.")


@dg.op(description="Makes the generation live in one transaction, whatever the gate says of it.")
def promote_generation(context: dg.OpExecutionContext, config: PromotionConfig, project: ProjectResource) -> None:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            number = config.generation
            if not number:
                candidate = generations.find_candidate(connection)
                if candidate is None:
                    raise GenerationError("There is no candidate to promote. imagerag generations list shows all.")
                number = candidate.number
            switching.promote_by_hand(connection, number)
        report_what_is_live(opened)
    context.log.info(f"promote_candidate: generation {number} is live")
    context.add_output_metadata({"generation": number})


@dg.job(
    description="A person's word: the candidate goes live, or the generation that the config names.",
    executor_def=dg.in_process_executor,
)
def promote_candidate() -> None:
    promote_generation()

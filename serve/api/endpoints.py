"""Every endpoint of the API on one app, over the parts of a server. The pages come behind it (`serve.pages`)."""

from fastapi import FastAPI

from serve.api.completions import completions_router
from serve.api.errors import fallback_router, install_error_handlers
from serve.api.evals import evals_router
from serve.api.feedback import feedback_router
from serve.api.files import files_router
from serve.api.fine_tuning import fine_tuning_router
from serve.api.health import health_router
from serve.api.legacy import legacy_router
from serve.api.models import models_router
from serve.api.operations import operations_router
from serve.api.stored_completions import stored_completions_router
from serve.parts import Parts


def api_app(parts: Parts) -> FastAPI:
    """The API. What is none of its paths is refused below them, and left to the pages elsewhere."""
    app = FastAPI(title="Nightschool", openapi_url=None, docs_url=None, redoc_url=None)
    install_error_handlers(app)
    for router in (
        health_router,
        models_router,
        completions_router,
        stored_completions_router,
        feedback_router,
        files_router,
        fine_tuning_router,
        evals_router,
        legacy_router,
        operations_router,
    ):
        app.include_router(router(parts))
    app.include_router(fallback_router())
    return app

//! `http`: asks a service and tells what it answers. Resolves nothing of HTTP itself: that is the platform's.

mod outputs;
mod preview;
mod request;
mod spec;
#[cfg(test)]
mod tests;

use crate::base::text::{fit, one_line};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs, PreviewFuture,
};
use crate::event::Preview;
use crate::model::ActionSpec;
use crate::platform::http::{HttpError, Response, send};

use super::api;

/// A message quotes at most so many characters of a body.
const QUOTED: usize = 120;

/// The action `http`.
#[derive(Debug)]
pub(super) struct Http;

impl Action for Http {
    fn spec(&self) -> &'static ActionSpec {
        &spec::SPEC
    }

    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(async move {
            // What is wrong with the request is told before anything is sent.
            let request = request::build(invocation, context)?;
            let sent = preview::told(&request, invocation, context.masker);
            Ok(Preview::of(sent))
        })
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let request = request::build(invocation, context)?;
            match send(&request).await {
                Ok(response) => judge(response, context),
                Err(error) => Err(failure(&error)),
            }
        })
    }
}

/// A status of 400 or more is a failure, unless the step judges the answer itself.
fn judge(response: Response, context: &ActionContext<'_>) -> Result<Outputs, ActionError> {
    if response.status < 400 || context.judged {
        return Ok(outputs::of(response));
    }
    let mut message = outputs::status_line(&response);
    let body = String::from_utf8_lossy(&response.body);
    let quote = fit(&one_line(&context.masker.text(&body)), QUOTED);
    if !quote.is_empty() {
        message.push_str(": ");
        message.push_str(&quote);
    }
    Err(ActionError::target(message)
        .help("a step with `expect` judges the status itself: `expect = \"status == 404\"`")
        .outputs(outputs::of(response)))
}

fn failure(error: &HttpError) -> ActionError {
    api::failure(error).outputs(outputs::of_failure(error))
}
